package guest

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"webim/room/policy"
	"webim/room/token"
)

// TestWelcome checks that a client with a name becomes a guest, and stays the same one with its token.
func TestWelcome(t *testing.T) {
	g, err := New([]byte(strings.Repeat("k", 32)))
	if err != nil {
		t.Fatal(err)
	}
	guest, reply, err := g.Welcome([]byte(`{"guest":" Ann "}`))
	if err != nil || !policy.IsGuest(guest.User) || string(guest.Info) != `{"name":"Ann"}` {
		t.Fatalf("%+v, %v", guest, err)
	}
	var got struct{ User, Token string }
	if err := json.Unmarshal(reply, &got); err != nil || got.User != guest.User {
		t.Fatalf("%s: %v", reply, err)
	}
	if again, ours, err := g.Verify(got.Token); err != nil || !ours || again.User != guest.User || string(again.Info) != string(guest.Info) {
		t.Errorf("with the token: %+v, %v, %v", again, ours, err)
	}
	for _, text := range []string{"", got.Token[:len(got.Token)-3], got.Token + "x"} {
		if _, ours, err := g.Verify(text); ours || err == nil {
			t.Errorf("the token %q is valid", text)
		}
	}
	text, err := g.key.Load().signer.Sign(token.Claims{User: guest.User, Roles: []string{"admin"}, Channels: []string{"$secret"}})
	if err != nil {
		t.Fatal(err)
	}
	forged, ours, err := g.Verify(text)
	if err != nil || !ours || !reflect.DeepEqual(forged, &token.Identity{User: guest.User, IssuedAt: forged.IssuedAt}) {
		t.Errorf("with rights in the token: %+v, %v, %v", forged, ours, err)
	}
	other, _ := New([]byte(strings.Repeat("o", 32)))
	if _, ours, err := other.Verify(got.Token); ours || err == nil {
		t.Error("a token with another secret is valid")
	}
	for data, want := range map[string]bool{"": true, "{}": true, "1": true, `{"name":"x"}`: true, `{"guest":""}`: false, `{"guest":"a\u202eb"}`: false} {
		if guest, reply, err := g.Welcome([]byte(data)); guest != nil || reply != nil || (err == nil) != want {
			t.Errorf("%s: %+v, %s, %v", data, guest, reply, err)
		}
	}
}
