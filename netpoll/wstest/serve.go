package wstest

import (
	"context"
	"errors"
	"testing"
	"time"
)

// A Server serves until Shutdown, as netpoll.Server does.
type Server interface {
	Serve() error
	Shutdown(ctx context.Context, spread time.Duration) error
}

// Serve serves until the test ends. Then it shuts the server down within Patience, and fails the test if that fails or if
// the server's Serve does not return closed. Cleanups that were registered before run after the end of the server, and
// those that are registered later run before it.
func Serve(t testing.TB, s Server, closed error) {
	t.Helper()
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), Patience)
		defer cancel()
		if err := s.Shutdown(ctx, 0); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		select {
		case err := <-served:
			if !errors.Is(err, closed) {
				t.Errorf("Serve: %v", err)
			}
		case <-ctx.Done():
			t.Errorf("Serve has not returned within %v", Patience)
		}
	})
}
