package api

import (
	"strings"
	"testing"
)

// TestBodiesWithoutContent checks that every method treats a body without content as {}.
func TestBodiesWithoutContent(t *testing.T) {
	n := start(t, nil)
	for _, name := range Methods() {
		_, want := n.ask("POST", "/api/"+name, "{}", nil)
		for _, body := range []string{"", "[]", " [ ]\n", `{"version":0}`, `{"version_epoch":"","new":[],"newer":{},"newest":false,"other":null,"n":-0.0}`} {
			status, got := n.ask("POST", "/api/"+name, body, nil)
			if got != want && name != "info" && name != "channels" || status != 200 || strings.Contains(got, `"code"`) != strings.Contains(want, `"code"`) {
				t.Errorf("%s with %q: %d, %s; with {}: %s", name, body, status, got, want)
			}
		}
	}
}

// TestNeutralValues checks that exactly the values without content are ignored.
func TestNeutralValues(t *testing.T) {
	n := start(t, nil)
	for _, c := range []struct{ method, body, fault string }{
		{"publish", `{"channel":"r","data":{},"tags":[]}`, ""},
		{"publish", `{"channel":"r","data":[],"tags":null}`, ""},
		{"publish", `{"channel":"r","data":0,"version":0,"version_epoch":""}`, ""},
		{"publish", `{"channel":"r","data":1,"tags":""}`, ""},
		{"publish", `{"channel":"r","data":{"version":0},"tags":false}`, ""},
		{"broadcast", `{"channels":["r"],"data":{},"tags":[]}`, ""},
		{"history", `{"channel":"r","since":[]}`, ""},
		{"subscribe", `{"channel":"r","user":"u","override":[],"recover_since":[]}`, ""},
		{"subscribe", `{"channel":"r","user":"u","override":{"join_leave":[]}}`, ""},
		{"disconnect", `{"user":"u","disconnect":[],"whitelist":null}`, ""},
		{"batch", `{"commands":[{"info":[]},{"publish":{"channel":"r","data":1,"tags":[]}}]}`, ""},

		{"publish", `{"channel":"r","data":{},"tags":["a"]}`, "wrong type"},
		{"publish", `{"channel":"r","data":{},"tags":1}`, "wrong type"},
		{"publish", `{"channel":"r","data":{},"version":1}`, "there is no field"},
		{"publish", `{"channel":"r","data":{},"Idempotency_Key":"a"}`, "there is no field"},
		{"publish", `{"channel":"r","data":{},"tags":[],"tags":[]}`, "bad request"},
		{"publish", `{"channel":0,"data":{}}`, "wrong type"},
		{"publish", `{"channel":[],"data":{}}`, "wrong type"},
		{"unsubscribe", `{"user":"u","channel":0}`, "wrong type"},
		{"unsubscribe", `{"user":"u","channel":false}`, "wrong type"},
		{"history", `{"channel":"r","limit":""}`, "wrong type"},
		{"history", `{"channel":"r","since":{"offset":[]}}`, "wrong type"},
		{"subscribe", `{"channel":"r","user":"u","override":{"presense":{"value":true}}}`, "there is no field"},
		{"broadcast", `{"channels":{},"data":{}}`, "wrong type"},
		{"info", `[1]`, "wrong type"},
		{"info", `[`, "bad request"},
		{"info", `0`, ""},
		{"info", `7`, "wrong type"},
	} {
		_, got := n.ask("POST", "/api/"+c.method, c.body, nil)
		if c.fault == "" && strings.Contains(got, `"code"`) || !strings.Contains(got, c.fault) {
			t.Errorf("%s %s: %s, want %q", c.method, c.body, got, c.fault)
		}
	}
	if _, got := n.ask("POST", "/api/history", `{"channel":"r","limit":-1}`, nil); !strings.Contains(got, `{"data":{"version":0}`) {
		t.Errorf("data without content was changed: %s", got)
	}
}
