package netpoll_test

import (
	"bytes"
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/netpoll/wstest"
)

// A target in absolute form, as a proxy may send it, is the path that it has (RFC 9112,
// section 3.2.2), for pages and for WebSockets.
func TestAbsoluteTargets(t *testing.T) {
	paths := make(chan string, 1)
	h := &netpoll.Funcs{OnOpen: func(_ netpoll.Conn, r *netpoll.Request) {
		path, _ := r.Path()
		paths <- path
	}}
	for _, secured := range []bool{false, true} {
		s, addr := start(t, netpoll.Config{HTTP: hello}, h)
		if secured {
			addr = secure(t, s)
		}
		for _, target := range []string{"http://localhost/a/room", "HTTP://localhost/a/room", "https://localhost:443/a/room"} {
			p := wstest.DialTLS(t, addr, secured)
			p.TrySend(bytes.Replace(wstest.Upgrade(), []byte("GET / "), []byte("GET "+target+" "), 1))
			if r := p.Response(); r.StatusCode != http.StatusSwitchingProtocols {
				t.Fatalf("%s: %s", target, r.Status)
			}
			if got := receive(t, "open", paths); got != "/a/room" {
				t.Errorf("%s: the path is %s", target, got)
			}
			p.Conn.Close()
			p = wstest.DialTLS(t, addr, secured)
			p.TrySend([]byte("GET " + target + " HTTP/1.1\r\nHost: localhost\r\n\r\n"))
			if got := body(t, p.Response()); !bytes.Contains([]byte(got), []byte("/a/room ")) {
				t.Errorf("%s: the page is %s", target, got)
			}
			p.Conn.Close()
		}
	}
}

// Clients that send without end, and read nothing, do not keep a shutdown from its end:
// each has its CloseTimeout, and no more.
func TestShutdownEndsUnderFire(t *testing.T) {
	s, addr := start(t, netpoll.Config{CloseTimeout: 200 * time.Millisecond}, &netpoll.Funcs{OnMessage: func(c netpoll.Conn, op ws.OpCode, data []byte) { _ = c.Push(op, data) }})
	var sending sync.WaitGroup
	for i := range 8 {
		c := wstest.Connect(t, addr)
		shot := bytes.Repeat(wstest.Frame([]byte{0x81, 0x89, 0x8a, 0x82}[i%4], "x"), 100)
		sending.Go(func() {
			for {
				if _, err := c.Conn.Write(shot); err != nil {
					return
				}
			}
		})
	}
	wstest.Eventually(t, "all are read", func() bool { return s.Stats().MessagesIn > 1000 })
	ctx, cancel := context.WithTimeout(context.Background(), wstest.Patience)
	defer cancel()
	if err := s.Shutdown(ctx, 0); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	sending.Wait()
}
