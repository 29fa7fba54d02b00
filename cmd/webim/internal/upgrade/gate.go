package upgrade

import (
	"context"
	"net/http"
	"sync"
)

// A Gate lets HTTP requests end before a process is frozen. The zero value is open. It is safe for concurrent use.
type Gate struct {
	mu      sync.Mutex
	inside  int
	empty   chan struct{} // closed when nobody is inside; nil: nobody waits for that
	closed  chan struct{} // closed when the gate opens or the process has moved; nil: the gate is open
	retired bool          // the process has moved: requests are refused
}

// Over returns a handler that passes requests to next, through the gate. While the gate is closed, they wait; when another process
// serves, they get 503, and the client sends them again.
func (g *Gate) Over(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !g.enter(r.Context()) {
			w.Header().Set("Retry-After", "0")
			w.Header().Set("Connection", "close")
			http.Error(w, "Another process serves now: send the request again.", http.StatusServiceUnavailable)
			return
		}
		defer g.leave(w)
		next.ServeHTTP(w, r)
	})
}

func (g *Gate) enter(ctx context.Context) bool {
	for {
		g.mu.Lock()
		if g.closed == nil {
			in := !g.retired
			if in {
				g.inside++
			}
			g.mu.Unlock()
			return in
		}
		closed := g.closed
		g.mu.Unlock()
		select {
		case <-closed:
		case <-ctx.Done():
			return false
		}
	}
}

// leave counts a request that is answered. If somebody waits for that, the answer is sent first: the process may end at once.
func (g *Gate) leave(w http.ResponseWriter) {
	g.mu.Lock()
	awaited := g.empty != nil
	g.mu.Unlock()
	if awaited {
		_ = http.NewResponseController(w).Flush() // it fails only if the client has gone
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.inside--; g.inside == 0 && g.empty != nil {
		close(g.empty)
		g.empty = nil
	}
}

// Empty waits until nobody is inside. New requests still come in, so it may wait in vain: then the error is that of ctx.
func (g *Gate) Empty(ctx context.Context) error {
	g.mu.Lock()
	if g.inside == 0 {
		g.mu.Unlock()
		return nil
	}
	if g.empty == nil {
		g.empty = make(chan struct{})
	}
	empty := g.empty
	g.mu.Unlock()
	select {
	case <-empty:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close makes new requests wait until Open or Retire.
func (g *Gate) Close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed == nil {
		g.closed = make(chan struct{})
	}
}

// Open lets requests in again. Retire refuses them from now on.
func (g *Gate) Open()   { g.end(false) }
func (g *Gate) Retire() { g.end(true) }

func (g *Gate) end(retired bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.retired = retired
	if g.closed != nil {
		close(g.closed)
		g.closed = nil
	}
}
