package room

import (
	"sync"

	"webim/netpoll"
)

// errands are what a lock at hand forbids to do now: a turn does it soon, in
// order.
type errands struct {
	turn  *netpoll.Turn
	mu    sync.Mutex
	queue []func()
}

// soon has f run by a worker, with no lock held.
func (h *Hub) soon(f func()) {
	e := &h.errands
	e.mu.Lock()
	e.queue = append(e.queue, f)
	e.mu.Unlock()
	e.turn.Wake()
}

// run does one, so that others are let through, and a panic is that errand's only.
func (e *errands) run() (more bool) {
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
