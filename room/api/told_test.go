package api

import (
	"net/http"
	"strings"
	"testing"

	"webim/netpoll/wstest"
	"webim/room/token"
)

// TestRefusedRequestsAreLogged checks that refused requests leave one log line, however often they
// come, with the reason and the setting to look at, and never a key or a token.
func TestRefusedRequestsAreLogged(t *testing.T) {
	n := start(t, nil)
	sign := func(role string) string {
		c := token.Claims{User: "mod"}
		if role != "" {
			c.Roles = []string{role}
		}
		text, err := n.sign.Sign(c)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	for name, c := range map[string]struct {
		change func(*http.Request)
		path   string
		status int
		want   string // the line has all of these words
	}{
		"no key":          {func(r *http.Request) { r.Header.Del("X-API-Key") }, "/api/info", 401, "status=401 see=api_key_file addr=127.0.0.1"},
		"a wrong key":     {func(r *http.Request) { r.Header.Set("X-API-Key", "wrong-wrong") }, "/api/info", 401, "status=401 see=api_key_file"},
		"a forged token":  {bearer("x.y.z"), "/api/info", 401, "status=401"},
		"a user's token":  {bearer(sign("")), "/api/info", 403, "status=403 method=info by=mod api_key_rights"},
		"a key's rights":  {nil, "/api/info", 403, `status=403 method=info by="key ci" api_key_rights`},
		"an unknown host": {func(r *http.Request) { r.Host = "evil.example" }, "/api/info", 421, "status=421 evil.example see=api_host"},
	} {
		var log wstest.Log
		k := restricted(t, n, &log, "publish")
		for range 3 {
			if status, body := k.ask(http.MethodPost, c.path, "{}", c.change); status != c.status {
				t.Errorf("%s: %d, %s", name, status, body)
			}
		}
		text := log.String()
		if len(log.Lines()) != 1 {
			t.Errorf("%s: %d lines: %s", name, len(log.Lines()), text)
		}
		for want := range strings.FieldsSeq(strings.ReplaceAll(c.want, "key ci", "key_ci")) {
			if !strings.Contains(text, strings.ReplaceAll(want, "key_ci", "key ci")) {
				t.Errorf("%s: there is no %s in %s", name, want, text)
			}
		}
		if strings.Contains(text, key) || strings.Contains(text, "wrong-wrong") || strings.Contains(text, "x.y.z") {
			t.Errorf("%s: the log has a secret: %s", name, text)
		}
	}
}

func bearer(text string) func(*http.Request) {
	return func(r *http.Request) {
		r.Header.Del("X-API-Key")
		r.Header.Set("Authorization", "Bearer "+text)
	}
}
