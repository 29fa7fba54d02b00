package main

import (
	"bytes"
	"encoding/json"
	"net"
	"strings"
	"testing"
	"time"

	"webim/netpoll/wstest"
	"webim/room/flight"
	"webim/room/token"
)

// runWhy runs webim why, and returns the code, the output and the errors.
func runWhy(args ...string) (code int, out, errs string) {
	var o, e bytes.Buffer
	code = run(append([]string{"why"}, args...), nil, strings.NewReader(""), &o, &e)
	return code, o.String(), e.String()
}

// TestWhy checks webim why: a kicked user, a client that was refused, and the ways in which the command fails.
func TestWhy(t *testing.T) {
	const key = "0123456789abcdef"
	p := startProgram(t, "--listen", "127.0.0.1:0", "--internal", "127.0.0.1:0", "--api-key", key, "--token-secret", longSecret, "--open", "--allow-origin", "https://good.example")
	addr := p.plain[0].String()
	ann := connectAs(t, addr, "ann")
	if status, body := ask(t, p.inner.addr, "POST", "/api/disconnect", key, `{"user":"ann","disconnect":{"code":4003,"reason":"go away"}}`); status != 200 {
		t.Fatalf("%d %s", status, body)
	}
	ann.ExpectClose(4003)
	if r, err := wstest.Dial(t, addr).TryHandshake("/tea", "Origin: https://evil.example"); err != nil || r.StatusCode != 403 {
		t.Fatalf("%v %v", r, err)
	}
	flags := []string{"--internal", p.inner.addr.String(), "--api-key", key, "--open"}
	ended := func(who string, n int) (f flight.Found) {
		wstest.Eventually(t, "the ends of "+who+" are known", func() bool {
			code, out, errs := runWhy(append(flags, "--json", who)...)
			f = flight.Found{}
			if err := json.Unmarshal([]byte(out), &f); code != 0 || err != nil {
				t.Fatalf("%d, %v, %s%s", code, err, out, errs)
			}
			return len(f.Ended) == n
		})
		return f
	}
	if r := ended("ann", 1).Ended[0]; r.By != "operator" || r.Code != 4003 || r.Reason != "go away" || r.Node != p.hub.Node() {
		t.Errorf("ann: %+v", r)
	}
	for _, r := range ended("127.0.0.1", 2).Ended {
		if r.User == "" && (r.Code != 403 || r.Reason != "origin is not allowed" || r.Cause != "refused" || r.By != "limit" || r.Dialect != "") {
			t.Errorf("the refused one: %+v", r)
		}
	}
	code, out, errs := runWhy(append(flags, "127.0.0.1")...)
	for _, want := range []string{"ENDED", "ann", "operator", "4003", "go away", "It was never open", "origin is not allowed", "messages from the client", "rooms: "} {
		if !strings.Contains(out, want) {
			t.Errorf("%d: %q is missing in\n%s%s", code, want, out, errs)
		}
	}
	if code, out, _ := runWhy(append(flags, "nobody")...); code != 0 || !strings.HasPrefix(out, "No connection of nobody") {
		t.Errorf("nobody: %d %s", code, out)
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	free.Close()
	for want, args := range map[string][]string{
		"with a key of the API":         {"--dev", "--internal", p.inner.addr.String()},
		"none with the right why":       {"--internal", p.inner.addr.String(), "--open", "--api-key-file", "prom=" + write(t, "key", key), "--api-key-rights", "prom=metrics"},
		"needs a key of the server API": {"--internal", p.inner.addr.String(), "--open", "--api-key", "another key of sixteen bytes"},
		"no server answers at":          {"--internal", free.Addr().String(), "--open", "--api-key", key},
	} {
		if code, out, errs := runWhy(append(args, "ann")...); code == 0 || out != "" || !strings.Contains(errs, want) {
			t.Errorf("%v: %d %s%s", args, code, out, errs)
		}
	}
}

// TestWhyRefused checks that webim why shows a user the connections that were refused after the signature of the token was verified.
func TestWhyRefused(t *testing.T) {
	const key = "0123456789abcdef"
	p := startProgram(t, "--listen", "127.0.0.1:0", "--internal", "127.0.0.1:0", "--api-key", key, "--token-secret", longSecret, "--open", "--max-conns-per-user", "1")
	addr := p.plain[0].String()
	sign, err := token.NewSigner(token.Key{Secret: []byte(longSecret)})
	if err != nil {
		t.Fatal(err)
	}
	tokenOf := func(user string, alive time.Duration) string {
		text, err := sign.Sign(token.Claims{User: user, IssuedAt: time.Now().Add(-time.Minute).Unix(), Expires: time.Now().Add(alive).Unix()})
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	if status, body := ask(t, p.inner.addr, "POST", "/api/revoke", key, `{"user":"gone"}`); status != 200 {
		t.Fatalf("%d %s", status, body)
	}
	refused := func(user, text string, status int) {
		t.Helper()
		if r, err := wstest.Dial(t, addr).TryHandshake("/tea?token=" + text); err != nil || r.StatusCode != status {
			t.Errorf("%s: %v %v", user, r, err)
		}
	}
	connectAs(t, addr, "many")
	refused("many", tokenOf("many", time.Hour), 429)
	refused("old", tokenOf("old", -time.Hour), 401)
	refused("gone", tokenOf("gone", time.Hour), 401)
	refused("forged", tokenOf("forged", time.Hour)+"x", 401)
	for user, alive := range map[string]time.Duration{"late": -time.Hour, "gone": time.Hour} {
		c := connect(t, addr, "/connection/websocket")
		c.Send(0x81, `{"id":1,"connect":{"token":"`+tokenOf(user, alive)+`"}}`)
		_, _, _ = c.ReadFrame() // the reply, or a Close frame
		_ = c.Conn.Close()
	}
	for user, n := range map[string]int{"many": 1, "old": 1, "gone": 2, "late": 1, "forged": 0} {
		wstest.Eventually(t, "the ends of "+user+" are known", func() bool {
			f := p.flights.Find(user, 10)
			return len(f) == n && (n == 0 || f[0].User == user)
		})
	}
	if r := p.flights.Find("many", 1)[0]; r.Code != 429 || r.Client != "" || r.Reason != "too many connections of this user" {
		t.Errorf("many: %+v", r)
	}
}
