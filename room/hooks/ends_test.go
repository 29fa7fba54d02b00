package hooks

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/centrifugal/protocol"

	"webim/netpoll/wstest"
	"webim/room"
	"webim/room/backend"
	"webim/room/chat"
	"webim/room/policy"
	"webim/room/rpc"
)

// TestHooksAskAgain checks that a request is repeated once if the backend closes a reused
// connection, unless the backend may have acted on it already.
func TestHooksAskAgain(t *testing.T) {
	var mu sync.Mutex
	seen, asked := map[string]bool{}, map[string]int{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		asked[r.URL.Path]++
		if seen[r.RemoteAddr] {
			panic(http.ErrAbortHandler)
		}
		seen[r.RemoteAddr] = true
		io.WriteString(w, `{"result":{"user":"42"}}`)
	}))
	t.Cleanup(s.Close)
	n := startHooked(t, Config{URLs: urls(s.URL, backend.HookConnect, backend.HookPublish), Timeout: wstest.Patience}, room.Config{})
	var c *client
	for range 3 {
		var r *protocol.Reply
		if c, r = n.come("", &protocol.ConnectRequest{}); told(r) != "connect " {
			t.Errorf("told %s", told(r))
		}
	}
	const count = 3
	for i := range uint32(count) {
		c.command(&protocol.Command{Id: i + 2, Publish: &protocol.PublishRequest{Channel: "r", Data: []byte(`1`)}})
		c.next()
	}
	mu.Lock()
	defer mu.Unlock()
	if asked["/publish"] != count {
		t.Errorf("%d messages were asked about %d times", count, asked["/publish"])
	}
}

// TestHooksComplainLittle checks that clients cannot fill the log while the backend fails.
func TestHooksComplainLittle(t *testing.T) {
	b := newBackend(t)
	hold := make(chan struct{})
	b.do("/rpc", func(w http.ResponseWriter, _ string) { <-hold })
	var log wstest.Log
	h := New(Config{URLs: urls(b.URL, backend.HookRPC), Timeout: wstest.Patience, Concurrency: 1, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	var done sync.WaitGroup
	const count = 1000
	for range count {
		done.Add(1)
		h.Ask(backend.Request{Hook: backend.HookRPC}, func(backend.Reply, error) { done.Done() })
	}
	close(hold)
	done.Wait()
	h.Close(t.Context())
	if n := len(log.Lines()); n == 0 || n > count/10 || !strings.Contains(log.Lines()[0], "hook=rpc") {
		t.Errorf("%d lines for %d failures, as %q", n, count, log.Lines())
	}
}

// TestStopIsNoFailure checks that the end of calls and requests that wait while the server stops is
// logged as what it is, and not as a failure of the server or the backend.
func TestStopIsNoFailure(t *testing.T) {
	b := newBackend(t)
	b.on("/connect", `{"result":{"user":"42"}}`)
	var log wstest.Log
	logger := slog.New(slog.NewTextHandler(&log, nil))
	b.do("/publish", func(http.ResponseWriter, string) {
		for log.String() == "" { // until the call has been given up
			time.Sleep(time.Millisecond) // polls
		}
	})
	t.Run("a call that waits for a hook", func(t *testing.T) {
		rights := policy.OpenRights()
		rights[policy.ActSend] = policy.RoleNobody
		n := startHooked(t, Config{URLs: urls(b.URL, backend.HookConnect, backend.HookPublish), Timeout: wstest.Patience},
			room.Config{Calls: rpc.Calls{Caller: chat.New()}, Log: logger, Options: policy.Patterns{{Match: "*", Options: policy.Options{Rights: rights, History: retention}}}.Options})
		c, _ := n.come("", &protocol.ConnectRequest{})
		b.next(t)
		c.command(&protocol.Command{Id: 2, Rpc: &protocol.RPCRequest{Method: "send", Data: []byte(`{"room":"r","data":{"text":"t"}}`)}})
		b.next(t)
	})
	if got := log.Take(); !strings.Contains(got, `level=INFO msg="a request was given up because the server stops"`) || strings.Contains(got, "level=ERROR") {
		t.Errorf("logged: %s", got)
	}
	h := New(Config{URLs: urls(b.URL, backend.HookPublish), Timeout: wstest.Patience, Logger: logger})
	h.Ask(backend.Request{Hook: backend.HookPublish}, func(backend.Reply, error) {})
	b.next(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	h.Close(ctx)
	if got := log.String(); !strings.Contains(got, `level=INFO msg="a request of the hook publish was given up because the server stops"`) || strings.Contains(got, "level=WARN") {
		t.Errorf("logged: %s", got)
	}
}

// TestNoticesAtTheEnd checks that notices that cannot be sent before the end are counted as
// dropped.
func TestNoticesAtTheEnd(t *testing.T) {
	b := newBackend(t)
	b.do("/disconnect", func(w http.ResponseWriter, _ string) { w.WriteHeader(503) })
	h := New(Config{URLs: urls(b.URL, backend.HookDisconnect), Timeout: wstest.Patience, Logger: slog.New(slog.DiscardHandler)})
	const count = 5
	for range count {
		h.Disconnected(backend.DisconnectEvent{})
	}
	b.next(t) // the first is being sent, or waits for a retry
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	h.Close(ctx)
	if n := h.Dropped(); n != count {
		t.Errorf("%d are dropped, want %d", n, count)
	}
}
