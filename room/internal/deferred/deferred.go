package deferred

import "sync"

// A Queue holds the functions that are to be called. Its methods are safe for concurrent use. Start comes
// first.
type Queue struct {
	wake  func()
	mu    sync.Mutex
	queue []func()
}

// Start sets the function that makes a worker call Run soon. It must not call Run itself.
func (q *Queue) Start(wake func()) { q.wake = wake }

// Post makes a worker call f after the functions that were posted before. The caller may hold any lock.
func (q *Queue) Post(f func()) {
	q.mu.Lock()
	q.queue = append(q.queue, f)
	q.mu.Unlock()
	q.wake()
}

// Run calls one function and returns, so that the worker can do other work in between, and a panic ends
// only this call. It is the function of a netpoll.Turn.
func (q *Queue) Run() (more bool) {
	q.mu.Lock()
	if len(q.queue) == 0 {
		q.mu.Unlock()
		return false
	}
	f := q.queue[0]
	q.queue[0] = nil
	if q.queue = q.queue[1:]; len(q.queue) == 0 {
		q.queue = nil // frees the memory after many functions at once
	} else {
		q.wake() // before the call of f, which may panic
	}
	q.mu.Unlock()
	f()
	return false
}
