package kit

import "sync"

// Queue is what waits for one client. It counts bytes and not messages, because a burst of small ones is no reason to cut anybody: a channel of 256, as
// chat examples have it, is full of 128-byte messages at 32 kB, and holds its memory while the client is idle. Any number of goroutines may put, one takes.
type Queue[T any] struct {
	ready chan struct{}

	mu      sync.Mutex
	waiting []queued[T] // nil when none are
	bytes   int
}

type queued[T any] struct {
	item T
	size int
}

// NewQueue returns an empty queue.
func NewQueue[T any]() *Queue[T] { return &Queue[T]{ready: make(chan struct{}, 1)} }

// Put appends an item of so many bytes, and never waits. It is false when more than MaxQueue bytes would wait: then cut the client.
func (q *Queue[T]) Put(item T, size int) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.bytes+size > MaxQueue {
		return false
	}
	q.waiting, q.bytes = append(q.waiting, queued[T]{item, size}), q.bytes+size
	select {
	case q.ready <- struct{}{}:
	default:
	}
	return true
}

// Ready gets something after a Put; call Next then until it is false.
func (q *Queue[T]) Ready() <-chan struct{} { return q.ready }

// Next takes the first item out; it is false if there is none.
func (q *Queue[T]) Next() (item T, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 {
		q.waiting = nil
		return item, false
	}
	first := q.waiting[0]
	q.waiting[0] = queued[T]{}
	q.waiting, q.bytes = q.waiting[1:], q.bytes-first.size
	return first.item, true
}
