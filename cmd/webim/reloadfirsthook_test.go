package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/centrifugal/protocol"

	"webim/netpoll/wstest"
)

const noHooks = "open: true\ninsecure: true\n"

// forget makes the backend forget what it was asked.
func (b *asked) forget() {
	b.mu.Lock()
	defer b.mu.Unlock()
	clear(b.got)
}

// TestReloadFirstHook checks that a reload adds the first hooks and removes the last ones, for clients that are connected and for new
// ones: each command after it is asked about, or no longer.
func TestReloadFirstHook(t *testing.T) {
	r, b := startReloading(t, noHooks), newAsked(t)
	s := wstest.OpenProtocol(t, r.addr(), "/connection/websocket", false)
	client := s.Connect(&protocol.ConnectRequest{}).Client
	s.Subscribe(&protocol.SubscribeRequest{Channel: "r"})
	s.Publish("r", `{"text":"before"}`)
	call := &protocol.RPCRequest{Method: "the backend's"}
	if err := s.ExpectError(&protocol.Command{Rpc: call}); err.Code != 108 {
		t.Errorf("a call that nobody knows: %v", err)
	}

	r.says(r.reload(noHooks+b.settings()+"hook_headers: [X-Test]\n"), "hook_connect (none → "+b.URL)
	about := func(hook, what string) {
		t.Helper()
		if q, ok := b.request(hook); !ok || !strings.Contains(q.body, what) {
			t.Errorf("%s: the backend is asked %q, want %s", hook, q.body, what)
		}
	}
	s.Publish("r", `{"text":"first"}`)
	about("publish", "first")
	if reply := s.Ask(&protocol.Command{Rpc: &protocol.RPCRequest{Method: "send", Data: []byte(`{"room":"r","data":{"text":"second"}}`)}}); reply.Error != nil {
		t.Errorf("send: %v", reply.Error)
	}
	about("publish", "second")
	s.Subscribe(&protocol.SubscribeRequest{Channel: "other"})
	about("subscribe", "other")
	if reply := s.Ask(&protocol.Command{Rpc: call}); reply.Error != nil {
		t.Errorf("the call: %v", reply.Error)
	}
	about("rpc", client)
	next := wstest.OpenProtocol(t, r.addr(), "/connection/websocket", false, "X-Test: 7")
	of := next.Connect(&protocol.ConnectRequest{}).Client
	about("connect", of)
	if q, _ := b.request("connect"); q.header != "7" {
		t.Errorf("the header of a new client is %q", q.header)
	}
	wstest.Eventually(t, "the new client is refreshed", func() bool { _, ok := b.request("refresh"); return ok })
	s.Conn.Close()
	wstest.Eventually(t, "the notice that a client has left", func() bool { _, ok := b.request("disconnect"); return ok })
	about("disconnect", client)
	r.expectStatus("/r", 403)

	b.forget()
	r.says(r.reload(noHooks), "hook_connect ("+b.URL)
	next.Subscribe(&protocol.SubscribeRequest{Channel: "r"})
	next.Publish("r", `{"text":"without"}`)
	if err := next.ExpectError(&protocol.Command{Rpc: call}); err.Code != 108 {
		t.Errorf("a call that nobody knows any more: %v", err)
	}
	last := wstest.OpenProtocol(t, r.addr(), "/connection/websocket", false)
	last.Connect(&protocol.ConnectRequest{})
	last.Leave()
	wstest.Eventually(t, "the last client has left", func() bool { return r.server.Stats().Open == 1 })
	connect(t, r.addr(), "/r").echo("open again")
	r.stop() // it sends the notices that wait
	for _, hook := range hookNames {
		if q, ok := b.request(hook); ok {
			t.Errorf("%s: without hooks, the backend is asked %q", hook, q.body)
		}
	}
}

// TestReloadHookMeanwhile checks that each message of a client is answered, once and in order, while reloads add and remove the only hook.
func TestReloadHookMeanwhile(t *testing.T) {
	const settings = noHooks + "rate_send: 1000000/1s\nuser_rate_send: 1000000/1s\nrate_rpc: 1000000/1s\nrate_fanout: 1GiB/1s\nuser_rate_fanout: 1GiB/1s\n"
	r, b := startReloading(t, settings), newAsked(t)
	s := wstest.OpenProtocol(t, r.addr(), "/connection/websocket", false)
	s.Connect(&protocol.ConnectRequest{})
	s.Subscribe(&protocol.SubscribeRequest{Channel: "r"})
	stop, sent := make(chan struct{}), make(chan int, 1)
	say := func(n int) bool {
		c := &protocol.Command{Publish: &protocol.PublishRequest{Channel: "r", Data: fmt.Appendf(nil, `{"text":"%d"}`, n)}}
		if n%2 == 1 {
			c = &protocol.Command{Rpc: &protocol.RPCRequest{Method: "send", Data: fmt.Appendf(nil, `{"room":"r","data":{"text":"%d"}}`, n)}}
		}
		reply, err := s.Try(c)
		if err != nil || reply.Error != nil {
			t.Errorf("%v: %v, %v", c, reply, err)
			return false
		}
		select {
		case <-stop:
			return false
		default:
			return true
		}
	}
	go func() {
		n := 0
		for say(n) {
			n++
		}
		sent <- n + 1
	}()
	for i := range 10 {
		b.forget()
		r.says(r.reload(settings+"hook_publish: "+b.URL+"/publish\n"), "hook_publish (none → ")
		wstest.Eventually(t, fmt.Sprintf("the backend is asked after the reload %d", i), func() bool { _, ok := b.request("publish"); return ok })
		r.says(r.reload(settings), "hook_publish ("+b.URL)
	}
	close(stop)
	for n := range <-sent {
		if push := s.Push(); push.Pub == nil || !strings.Contains(string(push.Pub.Data), fmt.Sprintf(`"%d"`, n)) {
			t.Fatalf("the member gets %v, want the message %d", push, n)
		}
	}
	s.Leave()
}

// TestReloadConnectHookOfGuests checks that a reload that adds the hook connect makes the backend decide about guests that come back, too: their
// tokens are webim's own. They are valid again if the backend does not answer and that is allowed, and without the hook.
func TestReloadConnectHookOfGuests(t *testing.T) {
	r, b := startReloading(t, noHooks), newAsked(t)
	s, text := r.comes(&protocol.ConnectRequest{Data: []byte(`{"guest":"Eve"}`)}, 0)
	s.Subscribe(&protocol.SubscribeRequest{Channel: "r"})
	comesAs := func(prefix string) {
		t.Helper()
		again, _ := r.comes(&protocol.ConnectRequest{Token: text}, 0)
		again.Subscribe(&protocol.SubscribeRequest{Channel: "r"})
		again.Publish("r", `{}`)
		if info := again.Push().Pub.Info; info == nil || !strings.HasPrefix(info.User, prefix) {
			t.Errorf("the client is %v, want %s", info, prefix)
		}
		again.Leave()
	}
	comesAs("guest:")
	r.says(r.reload(noHooks+"hook_connect: "+b.URL+"/connect\n"), "hook_connect")
	s.Publish("r", `{}`) // who is there stays
	comesAs("ann")
	r.expectStatus("/r?token="+text, 403)
	const users = "insecure: true\nrooms:\n  - match: \"*\"\n    allow: {join: user, read: user, send: user}\n" // no client without a token
	r.says(r.reload(users+"hook_connect: "+b.URL+"/connect\n"), "rooms")
	comesAs("ann")
	r.says(r.reload(noHooks+"hook_connect: "+b.URL+"/connect\n"), "rooms")
	b.Close()
	r.says(r.reload(noHooks+"hook_connect: "+b.URL+"/connect\nhook_open: [connect]\n"), "hook_open (none → connect) have changed")
	comesAs("guest:")
	r.says(r.reload(noHooks), "hook_connect")
	comesAs("guest:")
	r.expectStatus("/r?token="+text, 101)
}

// TestReloadLogsMemory checks that the log says the bound of memory again after a reload that changes it, and only then.
func TestReloadLogsMemory(t *testing.T) {
	file := write(t, "webim.yaml", noHooks)
	l := startLogged(t, file, "--listen", "127.0.0.1:0")
	r := &reloading{program: l.program, t: t, file: file, changed: map[string]bool{}}
	const hook = noHooks + "hook_publish: http://127.0.0.1:1/\n"
	for i, settings := range []string{noHooks, hook, hook + "log_level: debug\n", noHooks} {
		r.reload(settings)
		all := l.log.Records("memory")
		if want := []int{1, 2, 2, 3}[i]; len(all) != want {
			t.Fatalf("after the reload %d the log says the memory %d times, want %d", i, len(all), want)
		}
		if first, last := all[0]["bounds"], all[len(all)-1]["bounds"]; (first == last) != (settings == noHooks) {
			t.Errorf("after the reload %d the bound is %v, and was %v", i, last, first)
		}
	}
}
