package kit

import "sync"

// Queue holds the messages that wait for one client. It limits bytes and not messages, so that a burst of small messages disconnects
// nobody: a channel of 256 messages, as in chat examples, is full after 32 kB of 128-byte messages, and keeps its memory while the client
// is idle. Any number of goroutines may call Put, and one may call Next.
type Queue[T any] struct {
	ready chan struct{}

	mu      sync.Mutex
	waiting []queued[T] // nil if empty
	bytes   int
}

type queued[T any] struct {
	item T
	size int
}

// NewQueue returns an empty queue.
func NewQueue[T any]() *Queue[T] { return &Queue[T]{ready: make(chan struct{}, 1)} }

// Put appends an item of size bytes, without waiting. It returns false if more than MaxQueue bytes would wait; the caller then disconnects
// the client.
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

// Ready receives a value after a Put. The receiver then calls Next until it returns false.
func (q *Queue[T]) Ready() <-chan struct{} { return q.ready }

// Next removes and returns the first item. ok is false if the queue is empty.
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
