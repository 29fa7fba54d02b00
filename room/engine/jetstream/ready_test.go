package jetstream

import (
	"context"
	"log/slog"
	"net"
	"testing"

	"webim/netpoll/wstest"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// TestOpenBeforeTheStoreIsReady opens an engine on a server that has no JetStream yet, as a server of a cluster that has no
// leader. Open waits for it.
func TestOpenBeforeTheStoreIsReady(t *testing.T) {
	s, err := server.NewServer(&server.Options{DontListen: true, NoSigs: true, NoLog: true, MaxPayload: 8 << 20})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	asked := make(chan struct{})
	watch, err := nats.Connect("", nats.InProcessServer(s))
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Close()
	// The first request to JetStream is seen, and nobody answers it.
	first, err := watch.Subscribe("$JS.API.>", func(m *nats.Msg) {
		select {
		case <-asked:
		default:
			close(asked)
		}
		_ = m.Respond([]byte(`{"error":{"code":503,"err_code":10008,"description":"JetStream system temporarily unavailable"}}`))
	})
	if err != nil {
		t.Fatal(err)
	}
	opened := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), wstest.Patience)
		defer cancel()
		e, err := Open(ctx, Config{Log: slog.New(slog.DiscardHandler), Connect: func(opts ...nats.Option) (*nats.Conn, error) {
			return nats.Connect("", append(opts, nats.InProcessServer(inProcess{s}))...)
		}})
		if err == nil {
			e.Close()
		}
		opened <- err
	}()
	<-asked
	_ = first.Unsubscribe()
	if err := s.EnableJetStream(&server.JetStreamConfig{StoreDir: t.TempDir(), MaxStore: 1 << 30, MaxMemory: 16 << 20}); err != nil {
		t.Fatal(err)
	}
	if err := <-opened; err != nil {
		t.Fatal(err)
	}
}

// inProcess implements nats.InProcessConnProvider.
type inProcess struct{ s *server.Server }

func (p inProcess) InProcessConn() (net.Conn, error) { return p.s.InProcessConn() }
