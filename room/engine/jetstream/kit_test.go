package jetstream

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"webim/room/engine"
)

// startServer starts a NATS server in the process, with its store in a folder.
func startServer(t testing.TB, dir string) *server.Server {
	t.Helper()
	s, err := server.NewServer(&server.Options{DontListen: true, NoSigs: true, NoLog: true, JetStream: true, StoreDir: dir,
		JetStreamMaxStore: 1 << 30, JetStreamMaxMemory: 16 << 20, MaxPayload: 8 << 20, SyncInterval: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	if !s.ReadyForConnections(30 * time.Second) {
		t.Fatal("the NATS server does not start")
	}
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	return s
}

// open starts an engine on a server.
func open(t testing.TB, s *server.Server, cfg Config) *Engine {
	t.Helper()
	cfg.Connect = func(opts ...nats.Option) (*nats.Conn, error) {
		return nats.Connect("", append(opts, nats.InProcessServer(s))...)
	}
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
