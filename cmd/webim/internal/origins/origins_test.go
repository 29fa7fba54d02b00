package origins

import (
	"strings"
	"testing"
)

func TestFromHere(t *testing.T) {
	for origin, want := range map[string]bool{
		"null": true, "http://127.0.0.1": true, "http://127.0.0.1:9501": true, "https://127.255.0.3:1": true, "http://[::1]": true,
		"http://[::1]:8080": true, "http://localhost": true, "https://localhost:3000": true,

		"": false, "Null": false, "http://": false, "127.0.0.1": false, "http://128.0.0.1": false, "http://0.0.0.0": false,
		"http://localhost.example.com": false, "http://127.0.0.1.example.com": false, "http://notlocalhost": false,
		"http://127.0.0.1:80@example.com": false, "http://localhost:x": false, "http://localhost:": false, "http://localhost:99999": false,
		"http://127.1": false, "http://0177.0.0.1": false, "http://2130706433": false, "http://[::2]": false, "http://[::1%25lo]": false,
		"ftp://127.0.0.1": false, "file://": false, "chrome-extension://localhost": false, "http://192.168.0.1": false,
	} {
		if got := fromHere(origin); got != want {
			t.Errorf("%q: %v, want %v", origin, got, want)
		}
	}
}

func TestCheck(t *testing.T) {
	for _, good := range []string{
		"null", "https://chat.example.com", "http://chat.example.com:8080", "https://[2001:db8::1]:444", "http://localhost",
		"capacitor://localhost", "https://xn--bcher-kva.example",
	} {
		if err := Check(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	// Refused origins could never match; the error says how to write them.
	for bad, hint := range map[string]string{
		"*": "list the origins", "": "not an origin", "chat.example.com": "scheme://host", "//chat.example.com": "scheme://host",
		"https://": "not an origin", "https:chat": "not an origin", "Null": "not an origin", "localhost:3000": "not an origin",
		"https://chat.example.com/":        "write https://chat.example.com",
		"https://chat.example.com/page?x#": "write https://chat.example.com",
		"https://Chat.example.com":         "write https://chat.example.com",
		"HTTPS://chat.example.com":         "write https://chat.example.com",
		"https://chat.example.com:443":     "write https://chat.example.com",
		"http://chat.example.com:80":       "write http://chat.example.com",
		"https://chat.example.com:":        "write https://chat.example.com",
		"https://me@chat.example.com":      "write https://chat.example.com",
		"https://*.example.com":            "wildcards",
		"https://bücher.example":           "punycode",
		"https://a b.example":              "not an origin",
	} {
		if err := Check(bad); err == nil {
			t.Errorf("%q is taken", bad)
		} else if !strings.HasSuffix(err.Error(), hint) && !strings.Contains(err.Error(), hint) {
			t.Errorf("%q: %v: no word of %q", bad, err, hint)
		}
	}
}
