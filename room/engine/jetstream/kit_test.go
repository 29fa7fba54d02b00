package jetstream

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"webim/netpoll/wstest"
	"webim/room/engine"
)

// natsServer is a NATS server in the process, which can be stopped and started again on its folder.
type natsServer struct {
	t   testing.TB
	dir string

	mu  sync.Mutex
	now *server.Server
}

func startServer(t testing.TB) *natsServer {
	t.Helper()
	s := &natsServer{t: t, dir: t.TempDir()}
	s.start()
	t.Cleanup(s.stop)
	return s
}

func (s *natsServer) start() {
	s.t.Helper()
	now, err := server.NewServer(&server.Options{DontListen: true, NoSigs: true, NoLog: true, JetStream: true, StoreDir: s.dir,
		JetStreamMaxStore: 1 << 30, JetStreamMaxMemory: 16 << 20, MaxPayload: 8 << 20, SyncInterval: time.Second})
	if err != nil {
		s.t.Fatal(err)
	}
	now.Start()
	if !now.ReadyForConnections(wstest.Patience) {
		s.t.Fatal("the NATS server does not start")
	}
	s.mu.Lock()
	s.now = now
	s.mu.Unlock()
}

func (s *natsServer) stop() {
	s.mu.Lock()
	now := s.now
	s.now = nil
	s.mu.Unlock()
	if now != nil {
		now.Shutdown()
		now.WaitForShutdown()
	}
}

// InProcessConn implements nats.InProcessConnProvider.
func (s *natsServer) InProcessConn() (net.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now == nil {
		return nil, errors.New("the server is stopped")
	}
	return s.now.InProcessConn()
}

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
