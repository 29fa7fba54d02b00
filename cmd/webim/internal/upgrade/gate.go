package upgrade

import (
	"context"
	"io"
	"net/http"
	"sync"
	"time"
)

// A Gate lets HTTP requests end before a process is frozen. The zero value is open. It is safe for concurrent use.
type Gate struct {
	// Postpone gives a request that would wait back to its server, from which it comes once more: in the process that serves then. It
	// reports whether it did. It is set before the first request; nil: it never does.
	Postpone func(w http.ResponseWriter, r *http.Request) bool

	mu      sync.Mutex
	inside  int            // requests that have entered, also to be refused
	waiting int            // requests that wait until the gate opens
	empty   chan struct{}  // closed when nobody is inside; nil: nobody waits for that
	bodies  map[*body]bool // of those inside that have not arrived; true: their time is limited
	closed  chan struct{}  // closed when the gate opens or the process has moved; nil: the gate is open
	retired bool           // the process has moved: requests are refused
}

// Over returns a handler that passes requests to next, through the gate. While the gate is closed, they are postponed, or else they
// wait. When another process serves, those that have waited get 503: nothing of them has been done, and the client sends them again, on
// another connection.
func (g *Gate) Over(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if opens := g.enter(); opens != nil {
			if g.Postpone != nil && g.Postpone(w, r) {
				g.giveUp(opens)
				return
			}
			select {
			case <-opens:
			case <-r.Context().Done(): // the client has gone
				g.giveUp(opens)
				return
			}
		}
		b := g.watch(w, r)
		defer g.unwatch(b)
		defer g.leave(w)
		if g.refuses() {
			w.Header().Set("Retry-After", "1")
			w.Header().Set("Connection", "close")
			_ = http.NewResponseController(w).SetReadDeadline(time.Now()) // the answer waits for no rest of a body
			http.Error(w, "Another process serves now: send the request again.", http.StatusServiceUnavailable)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// enter counts a request as one that is inside. If the gate is closed, the request counts so when it opens, and enter returns a channel
// that is closed then.
func (g *Gate) enter() (opens chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed != nil {
		g.waiting++
	} else {
		g.inside++
	}
	return g.closed
}

// giveUp takes a request that waits out of the counts.
func (g *Gate) giveUp(opens chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed == opens {
		g.waiting--
	} else { // it has opened meanwhile
		g.endLocked()
	}
}

func (g *Gate) refuses() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.retired
}

// A body is that of a request inside, which has not arrived as a whole.
type body struct {
	io.ReadCloser
	g *Gate
	w http.ResponseWriter
}

// Read reads from the body.
func (b *body) Read(p []byte) (n int, err error) {
	n, err = b.ReadCloser.Read(p)
	if err == io.EOF && b.g.unwatch(b) { // or net/http would take the end of the time for the end of the connection
		_ = http.NewResponseController(b.w).SetReadDeadline(time.Time{})
	}
	return n, err
}

// watch begins to watch the body of a request; nil: it has none.
func (g *Gate) watch(w http.ResponseWriter, r *http.Request) *body {
	if r.ContentLength == 0 {
		return nil
	}
	b := &body{r.Body, g, w}
	r.Body = b
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.bodies == nil {
		g.bodies = map[*body]bool{}
	}
	g.bodies[b] = false
	return b
}

// unwatch is called when a body has arrived, or its request has its answer. It reports whether the time of the body was limited.
func (g *Gate) unwatch(b *body) (limited bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	limited = g.bodies[b]
	delete(g.bodies, b)
	return limited
}

// LimitBodies gives the bodies of requests inside this time to arrive: a client that never sends the rest must not keep the process
// from being replaced. Nothing of such a request has been done, and its handler sees os.ErrDeadlineExceeded.
func (g *Gate) LimitBodies(d time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for b := range g.bodies {
		g.bodies[b] = true
		_ = http.NewResponseController(b.w).SetReadDeadline(time.Now().Add(d)) // it fails only if the client has gone
	}
}

// leave counts a request that has its answer. If somebody waits for that, or it is refused, the answer is sent first: the process may
// end at once.
func (g *Gate) leave(w http.ResponseWriter) {
	g.mu.Lock()
	awaited := g.empty != nil || g.retired
	g.mu.Unlock()
	if awaited {
		_ = http.NewResponseController(w).Flush() // it fails only if the client has gone
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.endLocked()
}

// endLocked counts a request that is no longer inside.
func (g *Gate) endLocked() {
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
		g.inside += g.waiting
		g.waiting = 0
	}
}
