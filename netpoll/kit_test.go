package netpoll_test

import (
	"cmp"
	"log/slog"
	"testing"

	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/netpoll/wstest"
)

// The kit: a server that must leave nothing behind. Its clients come from wstest.

func TestMain(m *testing.M) { wstest.Main(m) }

// start runs a server until the test ends, and then checks that neither a
// connection nor a descriptor is left.
func start(t testing.TB, cfg netpoll.Config, h netpoll.Handler) (*netpoll.Server, string) {
	t.Helper()
	before := wstest.Descriptors(t)
	if cfg.PingInterval == 0 {
		cfg.PingInterval = -1 // the client's frames are counted one by one
	}
	// A client that waits for a processor is not slow.
	cfg.HandshakeTimeout, cfg.WriteTimeout = cmp.Or(cfg.HandshakeTimeout, wstest.Patience), cmp.Or(cfg.WriteTimeout, wstest.Patience)
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	s := netpoll.New(cfg, h)
	addr, err := s.Listen(netpoll.Listener{Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if n := openConns(s); n != 0 {
			t.Errorf("%d connections are open after Shutdown", n)
		}
		wstest.NoDescriptorsLeft(t, before)
	})
	wstest.Serve(t, s, netpoll.ErrServerClosed)
	return s, addr.String()
}

func openConns(s *netpoll.Server) (n int) {
	for range s.Conns() {
		n++
	}
	return max(n, int(s.Stats().Open))
}

// echo is the handler of the conformance suite.
func echo() netpoll.Handler {
	return &netpoll.Funcs{OnMessage: func(c netpoll.Conn, op ws.OpCode, data []byte) { _ = c.Push(op, data) }}
}
