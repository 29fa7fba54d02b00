package room

import (
	"sync"
	"time"

	"webim/netpoll"
)

// deferred are what a lock at hand forbids to do now: a turn does it soon, in
// order.
type deferred struct {
	turn  *netpoll.Turn
	mu    sync.Mutex
	queue []func()
}

// Post calls f on a worker, with no lock held, after what was posted before. It may be called
// from any goroutine, with any lock held.
func (h *Hub) Post(f func()) {
	e := &h.deferred
	e.mu.Lock()
	e.queue = append(e.queue, f)
	e.mu.Unlock()
	e.turn.Wake()
}

// run does one, so that others are let through, and a panic is that call's only.
func (e *deferred) run() (more bool) {
	e.mu.Lock()
	if len(e.queue) == 0 {
		e.mu.Unlock()
		return false
	}
	f := e.queue[0]
	e.queue[0] = nil
	if e.queue = e.queue[1:]; len(e.queue) == 0 {
		e.queue = nil // a crowd that came at once is over
	} else {
		e.turn.Wake() // now: f may not return
	}
	e.mu.Unlock()
	f()
	return false
}

// At makes a worker call f at the given time, up to a second late. It may be called from any goroutine,
// with any lock held. A call cannot be cancelled: f does nothing if it is no longer needed.
func (h *Hub) At(at time.Time, f func()) { h.timers.At(at, f) }
