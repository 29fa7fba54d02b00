package room

import (
	"sync"
	"time"

	"webim/netpoll"
)

// deferred holds functions that a caller cannot call now, because it holds a lock. A turn of a worker
// calls them soon, in order.
type deferred struct {
	turn  *netpoll.Turn
	mu    sync.Mutex
	queue []func()
}

// Post calls f on a worker, with no lock held, after the functions that were posted before. Any
// goroutine may call Post, with any lock held.
func (h *Hub) Post(f func()) {
	e := &h.deferred
	e.mu.Lock()
	e.queue = append(e.queue, f)
	e.mu.Unlock()
	e.turn.Wake()
}

// run calls one function and returns, so that the worker can do other work in between, and a panic ends
// only this call.
func (e *deferred) run() (more bool) {
	e.mu.Lock()
	if len(e.queue) == 0 {
		e.mu.Unlock()
		return false
	}
	f := e.queue[0]
	e.queue[0] = nil
	if e.queue = e.queue[1:]; len(e.queue) == 0 {
		e.queue = nil // frees the memory after many functions at once
	} else {
		e.turn.Wake() // before the call of f, which may panic
	}
	e.mu.Unlock()
	f()
	return false
}

// At makes a worker call f at the given time, up to a second late. It may be called from any goroutine,
// with any lock held. A call cannot be cancelled: f does nothing if it is no longer needed.
func (h *Hub) At(at time.Time, f func()) { h.timers.At(at, f) }
