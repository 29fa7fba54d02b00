package waiting

import (
	"slices"
	"sync"
)

// Queue lists connections in the order in which they were accepted, while they may still wait for their
// clients. It drops connections that have ended or opened since at the next look. All methods are safe
// for concurrent use. Waits is set before the first use.
type Queue[C any] struct {
	Waits func(C) bool // reports whether a connection still exists and is neither open nor closing; it must not lock

	mu    sync.Mutex
	conns []waiter[C]
	prune int // the length at which those that wait no more are dropped
}

type waiter[C any] struct {
	conn C
	at   uint32 // tick
}

// Push adds a connection that is accepted at a tick.
func (q *Queue[C]) Push(c C, at uint32) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.conns) >= max(64, q.prune) {
		q.conns = slices.DeleteFunc(q.conns, func(w waiter[C]) bool { return !q.Waits(w.conn) })
		q.prune = 2 * len(q.conns)
	}
	q.conns = append(q.conns, waiter[C]{c, at})
}

// Pop takes the first connection that waits, if it was accepted at the tick before or earlier.
func (q *Queue[C]) Pop(before uint32) (c C, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := 0
	for n < len(q.conns) && !q.Waits(q.conns[n].conn) {
		n++
	}
	if n < len(q.conns) && int32(before-q.conns[n].at) >= 0 {
		c, ok = q.conns[n].conn, true
		n++
	}
	clear(q.conns[:n])
	q.conns = q.conns[n:] // append moves the rest when it needs room, so Pop need not
	return c, ok
}
