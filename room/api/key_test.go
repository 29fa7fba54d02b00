package api

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"webim/netpoll/wstest"
	"webim/room"
	"webim/room/apikey"
	"webim/room/engine/memory"
	"webim/room/roomtest"
)

// restricted returns a node with another API, on which requests have a key with the given rights.
func restricted(t *testing.T, n *node, log *wstest.Log, rights ...string) *node {
	t.Helper()
	k := apikey.Key{Name: "ci", Secret: key}
	for _, text := range rights {
		r, err := ParseRight(text)
		if err != nil {
			t.Fatal(err)
		}
		k.Rights = append(k.Rights, r)
	}
	h, err := New(Config{Hub: n.hub, Guard: guardOf(t, apikey.Key{Name: "other", Secret: "another key"}, k), Logger: slog.New(slog.NewTextHandler(log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(h)
	t.Cleanup(web.Close)
	return &node{t: t, hub: n.hub, http: web.URL}
}

// TestKeyRights checks that a key opens the methods of its rights in the rooms of these rights, in
// every form of a request, and nothing else.
func TestKeyRights(t *testing.T) {
	n := start(t, nil)
	for _, c := range []struct {
		rights, method, body string
		open                 bool
	}{
		{"publish", "publish", `{"channel":"r","data":1}`, true},
		{"publish", "publish", `{"channel":"#a,b","data":1}`, true},
		{"publish", "broadcast", `{"channels":["r"],"data":1}`, false},
		{"publish", "history", `{"channel":"r"}`, false},
		{"publish", "info", `{}`, false},
		{"publish", "revoke", `{"user":"u"}`, false},
		{"publish@team-*", "publish", `{"channel":"team-a","data":1}`, true},
		{"publish@team-*", "publish", `{"channel":"r","data":1}`, false},
		{"publish@team-*", "publish", `{"channel":"xteam-a","data":1}`, false},
		{"publish@caf\u00e9", "publish", `{"channel":"cafe\u0301","data":1}`, true},
		{"broadcast@team-*", "broadcast", `{"channels":["team-a","team-b"],"data":1}`, true},
		{"broadcast@team-*", "broadcast", `{"channels":["team-a","r"],"data":1}`, false},
		{"ban@team-*", "ban", `{"channel":"team-a","user":"u"}`, true},
		{"ban@team-*", "ban", `{"user":"u"}`, false}, // everywhere
		{"ban@*", "ban", `{"user":"u"}`, false},
		{"ban", "ban", `{"user":"u2"}`, true},
		{"*@team-*", "history", `{"channel":"team-a"}`, true},
		{"*@team-*", "history", `{"channel":"r"}`, false},
		{"*@team-*", "info", `{}`, false},
		{"*@team-*", "channels", `{"pattern":"team-*"}`, false},
		{"*@team-*", "disconnect", `{"user":"u"}`, false},
		{"*", "info", `{}`, true},
		{"history publish@team-*", "history", `{"channel":"r"}`, true},
		{"history publish@team-*", "publish", `{"channel":"r","data":1}`, false},
		{"unsubscribe@team-*", "unsubscribe", `{"user":"u"}`, false}, // from all rooms
		{"", "info", `{}`, true},
	} {
		var log wstest.Log
		k := restricted(t, n, &log, strings.Fields(c.rights)...)
		for form, text := range map[string]string{
			c.method: c.body,
			"batch":  `{"commands":[{"` + c.method + `":` + c.body + `}]}`,
			"":       `{"method":"` + c.method + `","params":` + c.body + `}`,
		} {
			path := strings.TrimSuffix(Prefix+form, "/")
			status, got := k.ask(http.MethodPost, path, text, nil)
			denied := status == http.StatusForbidden || strings.Contains(got, `"code":103`)
			if denied == c.open || c.open && strings.Contains(got, `"code"`) && c.method != "unsubscribe" {
				t.Errorf("a key with %q, %s %s: %d, %s", c.rights, path, text, status, got)
			}
			if denied && !strings.Contains(got, "api_key_rights") {
				t.Errorf("a key with %q is not told which setting to look at: %s", c.rights, got)
			}
		}
	}
	for _, text := range []string{"", "@team-*", "Publish", "publish@", "pub", "batch", "batch@r", "publish,history"} {
		if r, err := ParseRight(text); err == nil {
			t.Errorf("%q is a right: %+v", text, r)
		}
	}
}

// TestKeysHaveNames checks that the log names the key.
func TestKeysHaveNames(t *testing.T) {
	var log wstest.Log
	hub := room.NewHub(room.Config{Engine: memory.New(memory.Limits{}), Audit: slog.New(slog.NewTextHandler(&log, nil))})
	roomtest.Serve(t, hub, func(context.Context) {})
	k := restricted(t, &node{t: t, hub: hub}, &log)
	for _, method := range []string{"disconnect", "ban", "mute", "kick", "unban"} {
		k.ok(method, `{"user":"u"}`)
	}
	for _, line := range log.Lines() {
		if !strings.Contains(line, `by="key ci"`) {
			t.Errorf("no key is named in %s", line)
		}
	}
	if got := log.String(); !strings.Contains(got, `by="key ci"`) || strings.Contains(got, key) {
		t.Errorf("the log: %s", got)
	}
	if got := k.call("sanctions", `{}`); !strings.Contains(got, `"by":""`) {
		t.Errorf("moderators do not learn of keys: %s", got)
	}
}

// TestPublishWithAnAuthor checks that a message from the API may have an author, and has the tag
// via=api then.
func TestPublishWithAnAuthor(t *testing.T) {
	n := start(t, nil)
	c := n.chat("ann", "")
	c.subscribe("r")
	for _, one := range []struct{ fields, want string }{
		{`"user":"bot"`, `{"tags":{"via":"api"},"user":"bot"}`},
		{`"user":"bot","info":{"name":"Weather"},"tags":{"via":"mail","x":"y"}`, `{"info":{"name":"Weather"},"tags":{"via":"api","x":"y"},"user":"bot"}`},
		{`"info":{"name":"Weather"}`, `{"info":{"name":"Weather"},"tags":{"via":"api"},"user":""}`},
		{`"user":""`, `{}`},
		{`"tags":{"x":"y"}`, `{"tags":{"x":"y"}}`},
	} {
		for _, format := range []string{`publish {"channel":"r","data":{"text":"hi"},%s}`, `broadcast {"channels":["r"],"data":{"text":"hi"},%s}`} {
			method, body, _ := strings.Cut(strings.Replace(format, "%s", one.fields, 1), " ")
			if got := n.call(method, "%s", body); strings.Contains(got, "error") {
				t.Fatalf("%s: %s", body, got)
			}
			p := c.pub("r")
			got := map[string]any{}
			if p.Info != nil {
				got["user"] = p.Info.User
				if p.Info.ConnInfo != nil {
					got["info"] = json.RawMessage(p.Info.ConnInfo)
				}
			}
			if len(p.Tags) > 0 {
				got["tags"] = p.Tags
			}
			if text, _ := json.Marshal(got); string(text) != one.want {
				t.Errorf("%s: seen as %s, want %s", body, text, one.want)
			}
		}
	}
	for _, fields := range []string{`"user":"a\u0000b"`, `"user":"` + strings.Repeat("x", 256) + `"`, `"user":7`} {
		if got := n.call("publish", "%s", `{"channel":"r","data":1,`+fields+`}`); !strings.Contains(got, `"code":107`) {
			t.Errorf("%.40s: %s", fields, got)
		}
	}
}
