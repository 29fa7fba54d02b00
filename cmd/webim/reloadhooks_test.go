package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/centrifugal/protocol"

	"webim/netpoll/wstest"
	"webim/room/backend"
	"webim/room/hooks"
)

// asked is a backend that keeps the requests that it has got, by hook.
type asked struct {
	*httptest.Server
	mu  sync.Mutex
	got map[string]askedFor
}

type askedFor struct{ body, signature, header string }

var hookNames = []string{"connect", "refresh", "subscribe", "publish", "rpc", "disconnect"}

// newAsked returns a backend that accepts everything, but a client for a moment only.
func newAsked(t *testing.T) *asked {
	b := &asked{got: map[string]askedFor{}}
	b.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		hook := strings.TrimPrefix(r.URL.Path, "/")
		b.mu.Lock()
		b.got[hook] = askedFor{string(body), r.Header.Get(hooks.SignatureHeader), r.Header.Get("X-Test")}
		b.mu.Unlock()
		switch hook {
		case "connect":
			fmt.Fprintf(w, `{"result":{"user":"ann","expire_at":%d}}`, time.Now().Unix()+2) // +1 could be over at once
		case "refresh":
			fmt.Fprintf(w, `{"result":{"expire_at":%d}}`, time.Now().Add(time.Hour).Unix())
		case "rpc":
			fmt.Fprint(w, `{"result":{"data":1}}`)
		default:
			fmt.Fprint(w, `{"result":{}}`)
		}
	}))
	t.Cleanup(b.Close)
	return b
}

// request returns the last request of a hook.
func (b *asked) request(hook string) (askedFor, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r, ok := b.got[hook]
	return r, ok
}

// settings returns the lines for all hooks.
func (b *asked) settings() (text string) {
	for _, hook := range hookNames {
		text += "hook_" + hook + ": " + b.URL + "/" + hook + "\n"
	}
	return text
}

// reloadHooks changes the backend, the secret that signs its requests, and the headers that it gets.
func reloadHooks(t *testing.T) *reloading {
	const rest = "open: true\ninsecure: true\n"
	first, second := newAsked(t), newAsked(t)
	r := startReloading(t, rest+first.settings()+"hook_secret_file: "+write(t, "secret", longSecret+"1")+"\n")
	r.says(r.reload(rest+second.settings()+"hook_secret: "+longSecret+"\nhook_headers: [X-Test]\n"), "hook_secret (not shown), hook_secret_file (")
	s := wstest.OpenProtocol(t, r.addr(), "/connection/websocket", false, "X-Test: 7")
	s.Connect(&protocol.ConnectRequest{})
	s.Subscribe(&protocol.SubscribeRequest{Channel: "r"})
	s.Publish("r", `{"text":"hello"}`)
	if reply := s.Ask(&protocol.Command{Rpc: &protocol.RPCRequest{Method: "the backend's"}}); reply.Error != nil {
		t.Errorf("the call: %v", reply.Error)
	}
	wstest.Eventually(t, "the client is refreshed", func() bool { _, ok := second.request("refresh"); return ok })
	s.Conn.Close()
	for _, hook := range hookNames {
		wstest.Eventually(t, "the hook "+hook, func() bool { _, ok := second.request(hook); return ok })
		q, _ := second.request(hook)
		at, sum, _ := strings.Cut(strings.TrimPrefix(q.signature, "t="), ",v1=")
		mac := hmac.New(sha256.New, []byte(longSecret))
		mac.Write([]byte(at + "." + q.body))
		if hex.EncodeToString(mac.Sum(nil)) != sum {
			t.Errorf("%s: the signature is %q", hook, q.signature)
		}
		if (q.header == "7") != (hook != "disconnect") {
			t.Errorf("%s: the header is %q", hook, q.header)
		}
		if _, ok := first.request(hook); ok {
			t.Errorf("the first backend is asked for %s", hook)
		}
	}
	return r
}

// reloadHookRules changes when the backend is asked, and what happens if it does not answer.
func reloadHookRules(t *testing.T) *reloading {
	hold, gone := make(chan struct{}), false
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		select {
		case <-hold:
		case <-r.Context().Done():
		}
	}))
	defer func() {
		if !gone {
			close(hold)
		}
		silent.Close()
	}()
	settings := "open: true\ninsecure: true\nhook_publish: " + silent.URL + "\nhook_timeout: "
	r := startReloading(t, settings+"1m\n")
	var sessions []*wstest.Protocol
	for range 8 {
		s := wstest.OpenProtocol(t, r.addr(), "/connection/websocket", false)
		s.Connect(&protocol.ConnectRequest{})
		sessions = append(sessions, s)
	}
	publish := func(room string) *protocol.Command {
		return &protocol.Command{Publish: &protocol.PublishRequest{Channel: room, Data: []byte(`{}`)}}
	}
	r.says(r.reload(settings+"20ms\n"), "hook_timeout (1m → 20ms) have changed")
	if err := sessions[0].ExpectError(publish("r")); !err.Temporary {
		t.Errorf("after the time-out: %v", err)
	}
	r.says(r.reload(settings+"20ms\nhook_open: [publish]\n"), "hook_open (none → publish) have changed")
	sessions[0].Publish("r", `{}`)
	r.says(r.reload(settings+"1m\nhook_rooms: [team-*]\n"), "hook_rooms (none → team-*)")
	sessions[0].Publish("r", `{}`) // it would wait for a minute
	r.says(r.reload(settings+"1m\nhook_concurrency: 1\n"), "hook_concurrency (256 → 1)")
	for i, s := range sessions {
		c := publish("r")
		c.Id = 100 + uint32(i)
		if err := s.Say(c); err != nil {
			t.Fatal(err)
		}
	}
	wstest.Eventually(t, "one request is too many", func() bool { return r.hooks.Stats()[backend.HookPublish].Outcomes[hooks.Busy] > 0 })
	gone = true
	close(hold)
	return r
}
