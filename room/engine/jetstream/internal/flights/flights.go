package flights

import "sync"

// Group lets many callers share one job. The job of a caller begins after the call: whoever asks for a key while its
// job runs shares the next one with all others that do so. Otherwise a caller would not find a message that it has just stored.
// The zero value is ready. All methods are safe for concurrent use.
type Group[T any] struct {
	mu      sync.Mutex
	waiting map[string][]call[T]
}

// call is a call of Do.
type call[T any] struct {
	start func(run func())
	job   func() T
	done  func(T)
}

// Do starts the job for a key, unless one runs or will, and calls done with the result of the next that begins. That is the job of the
// first caller of those that share it, because a job may know what was true only when it was asked for. The calls are in the order of the
// callers.
func (f *Group[T]) Do(key string, start func(run func()), job func() T, done func(T)) {
	f.mu.Lock()
	if f.waiting == nil {
		f.waiting = map[string][]call[T]{}
	}
	all, runs := f.waiting[key]
	f.waiting[key] = append(all, call[T]{start, job, done})
	f.mu.Unlock()
	if !runs {
		start(func() { f.run(key) })
	}
}

// Busy reports whether a job for a key runs or will, or a caller of one is still to be called.
func (f *Group[T]) Busy(key string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, runs := f.waiting[key]
	return runs
}

// run runs a job for all callers that wait, and starts the next one for those that have come meanwhile.
func (f *Group[T]) run(key string) {
	f.mu.Lock()
	all := f.waiting[key]
	f.waiting[key] = nil
	f.mu.Unlock()
	result := all[0].job()
	for _, c := range all {
		c.done(result)
	}
	f.mu.Lock()
	next := f.waiting[key]
	if len(next) == 0 {
		delete(f.waiting, key)
	}
	f.mu.Unlock()
	if len(next) > 0 {
		next[0].start(func() { f.run(key) })
	}
}
