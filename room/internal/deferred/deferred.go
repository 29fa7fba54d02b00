package deferred

import "sync"

// A Queue holds the functions that are to be called. Its methods are safe for concurrent use. Start comes
// first.
type Queue struct {
	wake    func()
	mu      sync.Mutex
	queue   []func()
	running bool   // a function is being called
	posted  uint64 // functions so far
}

// Start sets the function that makes a worker call Run soon. It must not call Run itself.
func (q *Queue) Start(wake func()) { q.wake = wake }

// Post makes a worker call f after the functions that were posted before. The caller may hold any lock.
func (q *Queue) Post(f func()) {
	q.mu.Lock()
	q.queue = append(q.queue, f)
	q.posted++
	q.mu.Unlock()
	q.wake()
}

// IsIdle reports whether all functions have been called and have returned. posted is how many were posted so far.
func (q *Queue) IsIdle() (idle bool, posted uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.queue) == 0 && !q.running, q.posted
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
	q.running = true
	q.mu.Unlock()
	defer q.end()
	f()
	return false
}

func (q *Queue) end() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.running = false
}
