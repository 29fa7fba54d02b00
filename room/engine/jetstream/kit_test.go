package jetstream

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"testing"

	"github.com/nats-io/nats.go"

	"webim/room/engine"
	"webim/room/engine/jetstream/embedded"
	"webim/room/engine/jetstream/natstest"
)

// natsServer is a NATS server in the process, which can be stopped and started again on its folder.
type natsServer struct {
	t   testing.TB
	dir string

	mu  sync.Mutex
	now *embedded.Server
}

func startServer(t testing.TB) *natsServer {
	t.Helper()
	s := &natsServer{t: t, dir: t.TempDir()}
	s.start()
	return s
}

func (s *natsServer) start() {
	s.t.Helper()
	now := natstest.Start(s.t, s.dir)
	s.mu.Lock()
	s.now = now
	s.mu.Unlock()
}

func (s *natsServer) stop() {
	if err := s.server().Close(); err != nil {
		s.t.Error(err)
	}
}

func (s *natsServer) server() *embedded.Server {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

// InProcessConn implements nats.InProcessConnProvider. It fails while the server is stopped.
func (s *natsServer) InProcessConn() (net.Conn, error) { return s.server().InProcessConn() }

// connect is Config.Connect.
func (s *natsServer) connect(opts ...nats.Option) (*nats.Conn, error) {
	return nats.Connect("", append(opts, nats.InProcessServer(s))...)
}

// open starts an engine on a server.
func open(t testing.TB, s *natsServer, cfg Config) *Engine {
	t.Helper()
	cfg.Connect = s.connect
	return openWith(t, cfg)
}

// openWith starts an engine on the server to which cfg.Connect connects.
func openWith(t testing.TB, cfg Config) *Engine {
	t.Helper()
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	e, err := Open(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e
}

// always keeps everything.
func always(string) engine.Retention {
	return engine.Retention{Messages: 1 << 30, Bytes: 1 << 40}
}
