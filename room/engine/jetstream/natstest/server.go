package natstest

import (
	"github.com/nats-io/nats.go"

	"webim/room/engine/jetstream/embedded"
)

// TB is a test: a testing.TB, or an enginetest.TB.
type TB interface {
	Helper()
	Error(...any)
	Fatal(...any)
	Cleanup(func())
}

// Start starts a server with its store in a folder, and closes it at the end of the test, unless the test has closed it.
func Start(t TB, dir string) *embedded.Server {
	t.Helper()
	return StartWith(t, embedded.Config{Dir: dir})
}

// StartWith is Start with other settings.
func StartWith(t TB, cfg embedded.Config) *embedded.Server {
	t.Helper()
	s, err := embedded.Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// Connect connects to the server with these options, and closes the connection at the end of the test.
func Connect(t TB, s *embedded.Server, opts ...nats.Option) *nats.Conn {
	t.Helper()
	nc, err := s.Connect(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}
