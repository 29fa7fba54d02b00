package apikey

import "testing"

// TestFind checks that a secret finds its key, and that only a key without rights opens everything.
func TestFind(t *testing.T) {
	g, err := NewGuard([]Key{{Name: "all", Secret: "all"}, {Name: "ci", Secret: "ci", Rights: []Right{{Method: "*"}}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		secret, name string
		everything   bool
	}{{"all", "all", true}, {"ci", "ci", false}, {"", "", false}, {"al", "", false}, {"alll", "", false}, {"All", "", false}} {
		name := ""
		if k := g.Find(c.secret); k != nil {
			name = k.Name
		}
		if name != c.name || g.IsKey(c.secret) != c.everything {
			t.Errorf("%q finds the key %q, which opens everything: %v", c.secret, name, g.IsKey(c.secret))
		}
	}
	none, err := NewGuard(nil, nil)
	if err != nil || none.Find("") != nil || none.IsKey("") {
		t.Errorf("without keys, an empty secret is one: %v", err)
	}
	if _, err := NewGuard([]Key{{Secret: "a"}, {}}, nil); err == nil {
		t.Error("a key may have an empty secret")
	}
}

// TestKnowsHost checks which Host headers a Guard accepts.
func TestKnowsHost(t *testing.T) {
	g, err := NewGuard(nil, []string{"chat.example.com"})
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]bool{
		"chat.example.com": true, "Chat.Example.com:8000": true, "localhost": true, "LOCALHOST:80": true,
		"127.0.0.1": true, "10.0.0.1:8000": true, "[::1]": true, "[::1]:8000": true, "::1": true,
		"": false, "example.com": false, "x.chat.example.com": false, "chat.example.com.evil.example": false,
		"localhost.evil.example": false, "127.0.0.1.evil.example": false, "evil.example:80": false,
	} {
		if got := g.KnowsHost(host); got != want {
			t.Errorf("KnowsHost(%q) is %v", host, got)
		}
	}
}
