package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestCheckJudgesHooks as serve does, files too.
func TestCheckJudgesHooks(t *testing.T) {
	short, long := write(t, "short", "a secret"), write(t, "long", longSecret)
	for flags, want := range map[string]string{
		"--hook-rpc http://localhost/":                                      "\n# warning: the hooks' requests are not signed",
		"--hook-rpc http://localhost/ --hook-secret-file " + short:          "webim: --hook-secret-file has 8 bytes and can be guessed",
		"--hook-rpc http://localhost/ --hook-secret-file " + long + ".none": "no such file",
		"--hook-rpc http://localhost/ --hook-secret-file " + long:           "\nhook_rpc: \"http://localhost/\" # flag\n",
	} {
		code, out, errs := webim("", nil, append([]string{"check"}, strings.Fields(flags)...)...)
		bad := strings.HasPrefix(want, "webim") || strings.HasPrefix(want, "no such")
		if !strings.Contains(out+errs, want) || (code == exitUsage) != bad || strings.Contains(out, "not signed") != strings.Contains(want, "not signed") {
			t.Errorf("%s: %d, no %q in\n%s%s", flags, code, want, out, errs)
		}
	}
}

// TestHooks checks that the program asks a backend about connecting clients, and reports
// disconnected ones to it, with signed requests.
func TestHooks(t *testing.T) {
	type request struct {
		path, signature, cookie string
		body                    []byte
	}
	asked := make(chan request, 10)
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		asked <- request{r.URL.Path, r.Header.Get("X-Webim-Signature"), r.Header.Get("Cookie"), body}
		answer := `{"result":{}}`
		switch {
		case r.URL.Path == "/connect":
			answer = `{"result":{"user":"anna"}}`
		case strings.Contains(string(body), "secret"):
			answer = `{"error":{"code":403,"message":"not that"}}`
		}
		_, _ = io.WriteString(w, answer)
	}))
	t.Cleanup(backend.Close)
	p := startProgram(t, "--listen", "127.0.0.1:0", "--open", "--hook-connect", backend.URL+"/connect", "--hook-publish", backend.URL+"/publish",
		"--hook-disconnect", backend.URL+"/gone", "--hook-headers", "Cookie", "--hook-secret", longSecret, "--shutdown-spread", "0s", "--no-personal")
	client := connect(t, p.plain[0].String(), "/connection/websocket", "Cookie: session=7")
	say := func(command, want string) {
		t.Helper()
		client.say(command)
		for {
			for line := range strings.Lines(client.text()) {
				if !strings.Contains(line, `"id":`) {
					continue // a push, or a ping
				}
				if !strings.Contains(line, want) {
					t.Errorf("%s: %s, want %s", command, line, want)
				}
				return
			}
		}
	}
	heard := func(path, want string) {
		t.Helper()
		r := <-asked
		if r.path != path || !strings.Contains(string(r.body), want) {
			t.Errorf("asked at %s: %s, want %s, %s", r.path, r.body, path, want)
		}
		at, sum, _ := strings.Cut(strings.TrimPrefix(r.signature, "t="), ",v1=")
		mac := hmac.New(sha256.New, []byte(longSecret))
		mac.Write([]byte(at + "." + string(r.body)))
		if hex.EncodeToString(mac.Sum(nil)) != sum {
			t.Errorf("%s: the signature is %q", path, r.signature)
		}
		if (r.cookie == "session=7") != (path != "/gone") {
			t.Errorf("%s: the cookie is %q", path, r.cookie)
		}
		if !json.Valid(r.body) {
			t.Errorf("%s: no JSON: %s", path, r.body)
		}
	}
	say(`{"id":1,"connect":{}}`, `"client":`)
	heard("/connect", `"transport":"websocket"`)
	say(`{"id":2,"subscribe":{"channel":"tea"}}`, `"subscribe":`)
	say(`{"id":3,"publish":{"channel":"tea","data":{"text":"hello"}}}`, `"publish":`)
	heard("/publish", `"user":"anna"`)
	say(`{"id":4,"publish":{"channel":"tea","data":{"text":"a secret"}}}`, `"code":403`)
	heard("/publish", `"channel":"tea"`)
	client.Conn.Close()
	heard("/gone", `"user":"anna"`)
}
