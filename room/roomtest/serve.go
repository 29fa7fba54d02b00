// Package roomtest serves hubs in the tests of packages that stand above package room.
package roomtest

import (
	"context"
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
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), wstest.Patience)
		defer cancel()
		ended(ctx)
		if n := s.Stats().Panics; n != 0 {
			t.Errorf("%d callbacks panicked", n)
		}
	})
	wstest.Serve(t, s, netpoll.ErrServerClosed)
	t.Cleanup(hub.Stop)
	return a.String()
}
