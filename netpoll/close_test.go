package netpoll_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"webim/netpoll"
	"webim/netpoll/wstest"
)

// However it trickles in, with or without a heartbeat, a message must end.
func TestCloseUnfinished(t *testing.T) {
	b := wstest.Frame(text, strings.Repeat("x", 100_000))
	for _, ping := range []time.Duration{-1, 300 * time.Millisecond} {
		for name, first := range map[string]int{"header in two pieces": 1, "trickling": 20} {
			t.Run(fmt.Sprintf("%s, ping %v", name, ping), func(t *testing.T) {
				t.Parallel()
				w := told()
				_, addr := serveAt(t, netpoll.Config{MessageTimeout: 1500 * time.Millisecond, PingInterval: ping, PongTimeout: time.Second}, w, false)
				p := wstest.ConnectTLS(t, addr, false)
				c := receive(t, "open", w.opened)
				write := func(b []byte) {
					at := bytesIn(c)
					p.TrySend(b)
					wstest.Eventually(t, "the piece is read", func() bool { return bytesIn(c) > at || !c.Exists() })
				}
				write(b[:first])
				tick := time.NewTicker(50 * time.Millisecond)
				defer tick.Stop()
				deadline := time.After(wstest.Patience / 2)
				for i := first; len(w.closed) == 0 && c.Exists(); i++ {
					select {
					case <-tick.C:
						write(b[i : i+1])
					case <-deadline:
						t.Fatal("the message is still read")
					}
				}
				p.Rest(true)
				w.expect(t, netpoll.Unfinished, 1008)
			})
		}
	}
}

// A panic in any callback: 1011 for its connection, the stack in the log.
func TestClosePanics(t *testing.T) {
	var log wstest.Log
	ended := make(chan netpoll.Closed, 10)
	s, addr := start(t, netpoll.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))}, &netpoll.Funcs{
		OnOpen:  func(netpoll.Conn, *netpoll.Request) { panic("in Open") },
		OnClose: func(_ netpoll.Conn, why netpoll.Closed) { ended <- why; panic("in Close") },
	})
	p := wstest.ConnectTLS(t, addr, false)
	if got := p.Rest(true); got != "close 1011, eof" {
		t.Errorf("the client gets %s", got)
	}
	if why := receive(t, "close", ended); why.Cause != netpoll.HandlerPanic || why.Code != 1011 {
		t.Errorf("closed as %v", why)
	}
	wstest.Eventually(t, "both panics are counted and logged", func() bool { return s.Stats().Panics == 2 && strings.Contains(log.String(), "in Close") })
	if l := log.String(); !strings.Contains(l, "in Open") || !strings.Contains(l, "in Close") || !strings.Contains(l, "close_test.go") {
		t.Errorf("the log lacks a panic or its stack: %s", l)
	}
}

// What never opened is counted, and told to no handler.
func TestCloseNeverOpened(t *testing.T) {
	w := newWitness()
	hasty, hastyAddr := start(t, netpoll.Config{HandshakeTimeout: 300 * time.Millisecond}, w)
	for _, addr := range []string{hastyAddr, secure(t, hasty)} {
		wstest.Dial(t, addr) // says nothing
	}
	s, addr := start(t, netpoll.Config{}, w)
	secureAddr := secure(t, s)
	for _, addr := range []string{addr, secureAddr} {
		wstest.Dial(t, addr).Conn.Close() // breaks off
	}
	other := wstest.Dial(t, secureAddr)
	other.SendBytes([]byte{22, 3, 1, 0, 4, 2, 0, 0, 0}) // no ClientHello
	if r := other.Response(); r.StatusCode != http.StatusBadRequest {
		t.Errorf("no ClientHello: %s", r.Status)
	}
	other.Conn.Close()
	for _, secured := range []bool{false, true} {
		to := map[bool]string{false: addr, true: secureAddr}[secured]
		p := wstest.DialTLS(t, to, secured)
		p.TrySend(bytes.Replace(wstest.Upgrade(), []byte("Version: 13"), []byte("Version: 12"), 1))
		if r := p.Response(); r.StatusCode != http.StatusUpgradeRequired {
			t.Errorf("version 12: %s", r.Status)
		}
		p.Conn.Close()
		q := wstest.DialTLS(t, to, secured)
		q.TrySend([]byte("GET /nothing HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"))
		if r := q.Response(); r.StatusCode != http.StatusNotFound {
			t.Errorf("a request: %s", r.Status)
		}
	}
	want := map[netpoll.Cause]int64{netpoll.HandshakeFailed: 3, netpoll.Refused: 2, netpoll.HandedToHTTP: 2}
	wstest.Eventually(t, "all are counted", func() bool {
		for cause, n := range want {
			if s.Stats().Closed[cause] != n {
				return false
			}
		}
		return hasty.Stats().Closed[netpoll.HandshakeTimeout] == 2
	})
	if st := s.Stats(); st.Opened != 0 || len(w.opened)+len(w.closed) != 0 || st.Refused["websocket version"] != 2 {
		t.Errorf("opened %d, told %d and %d; refused %v", st.Opened, len(w.opened), len(w.closed), st.Refused)
	}
}

// At shutdown everybody gets 1001, not all at once; who does not answer holds
// it up only so long.
func TestCloseShutdown(t *testing.T) {
	w := newWitness()
	s, addr := start(t, netpoll.Config{CloseTimeout: 300 * time.Millisecond}, w)
	secureAddr := secure(t, s)
	ends := make(chan string, 20)
	for i := range 20 {
		p := wstest.ConnectTLS(t, map[bool]string{true: addr, false: secureAddr}[i%2 == 0], i%2 != 0)
		go func() { ends <- p.Rest(i != 7) }()
	}
	ctx, cancel := context.WithTimeout(context.Background(), wstest.Patience)
	defer cancel()
	if err := s.Shutdown(ctx, 100*time.Millisecond); err != nil {
		t.Error(err)
	}
	for range 20 {
		if got := receive(t, "the end", ends); got != "close 1001, eof" {
			t.Errorf("a client gets %s", got)
		}
		w.expect(t, netpoll.Shutdown, 1001)
	}
	if n := s.Stats().Closed[netpoll.Shutdown]; n != 20 {
		t.Errorf("%d closed", n)
	}
	if _, err := s.Listen(netpoll.Listener{Addr: "127.0.0.1:0"}); !errors.Is(err, netpoll.ErrServerClosed) {
		t.Errorf("Listen afterwards: %v", err)
	}
}

// When its time is over, Shutdown closes the rest as they are.
func TestCloseShutdownDeadline(t *testing.T) {
	w := newWitness()
	s, addr := serveAt(t, netpoll.Config{CloseTimeout: time.Hour}, w, false)
	p := wstest.ConnectTLS(t, addr, false)
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := s.Shutdown(ctx, 0); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Shutdown: %v", err)
	}
	w.expect(t, netpoll.Shutdown, 1001)
	if got := p.Rest(false); got != "close 1001, eof" {
		t.Errorf("the client gets %s", got)
	}
}
