// Package roomtest serves hubs in the tests of packages that stand above package room.
package roomtest

import (
	"context"
	"errors"
	"log/slog"
	"testing"

	"webim/netpoll"
	"webim/netpoll/wstest"
	"webim/room"
	"webim/room/mux"
)

// Serve serves a hub on a free port until the test ends. Then it stops the server and calls ended
// with a context that ends after wstest.Patience. It fails the test if the server does not stop, or
// if a callback panicked.
func Serve(t testing.TB, hub *room.Hub, ended func(context.Context)) (addr string) {
	t.Helper()
	h := mux.New(hub)
	s := netpoll.New(netpoll.Config{PingInterval: -1, Logger: slog.New(slog.DiscardHandler)}, h)
	h.Start(s)
	a, err := s.Listen(netpoll.Listener{Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	t.Cleanup(func() {
		hub.Stop()
		ctx, cancel := context.WithTimeout(context.Background(), wstest.Patience)
		defer cancel()
		if err := s.Shutdown(ctx, 0); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		if err := <-served; !errors.Is(err, netpoll.ErrServerClosed) {
			t.Errorf("Serve: %v", err)
		}
		ended(ctx)
		if n := s.Stats().Panics; n != 0 {
			t.Errorf("%d callbacks panicked", n)
		}
	})
	return a.String()
}
