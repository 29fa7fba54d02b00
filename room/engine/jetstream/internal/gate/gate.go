package gate

import (
	"context"
	"sync"
)

// Gate counts the calls that are under way. While it is shut, new ones wait, and go on in their order when it opens, before
// any later one. The zero value is open. All methods are safe for concurrent use.
type Gate struct {
	mu      sync.Mutex
	shut    bool
	closed  error // for good
	inside  int
	empty   chan struct{} // closed when no call is inside; nil: nobody waits for that
	waiting Line
}

// Enter begins a call. If it reports false, the caller calls Wait instead of going on; otherwise Leave ends the call.
func (g *Gate) Enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut || g.closed != nil || len(g.waiting) > 0 {
		return false
	}
	g.inside++
	return true
}

// Wait begins a call as soon as the gate is open, and then calls f, perhaps before Wait returns. After Close, f gets an
// error. Leave ends the call in both cases.
func (g *Gate) Wait(f func(error)) {
	g.mu.Lock()
	if g.shut && g.closed == nil || len(g.waiting) > 0 {
		g.waiting = append(g.waiting, f)
		g.mu.Unlock()
		return
	}
	g.inside++
	err := g.closed
	g.mu.Unlock()
	f(err)
}

// Leave ends a call.
func (g *Gate) Leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.inside--; g.inside == 0 && g.empty != nil {
		close(g.empty)
		g.empty = nil
	}
}

// Shut makes new calls wait, and returns when none is under way, or when ctx ends. Open or Close must follow.
func (g *Gate) Shut(ctx context.Context) error {
	g.mu.Lock()
	g.shut = true
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

// Open lets the calls go on that wait, and all that come later.
func (g *Gate) Open() { g.goOn(nil) }

// Close refuses the calls that wait, and all that come later, with an error.
func (g *Gate) Close(err error) { g.goOn(err) }

func (g *Gate) goOn(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut, g.closed = false, err
	g.waiting.Call(&g.mu, err, func() bool {
		if !g.shut {
			g.inside++
		}
		return !g.shut
	})
}
