package flights

import "sync"

// Group lets many callers share one job. The job of a caller begins after the call: whoever asks for a key while its
// job runs shares the next one with all others that do so. Otherwise a caller would not find a message that it has just stored.
// The zero value is ready. All methods are safe for concurrent use.
type Group[T any] struct {
	mu      sync.Mutex
	waiting map[string][]func(T)
}

// Do starts the job for a key, unless one runs or will, and calls done with the result of the next that begins. The calls
// are in the order of the callers.
func (f *Group[T]) Do(key string, start func(run func()), job func() T, done func(T)) {
	f.mu.Lock()
	if f.waiting == nil {
		f.waiting = map[string][]func(T){}
	}
	all, runs := f.waiting[key]
	f.waiting[key] = append(all, done)
	f.mu.Unlock()
	if !runs {
		start(func() { f.run(key, start, job) })
	}
}

// Busy reports whether a job for a key runs or will, or a caller of one is still to be called.
func (f *Group[T]) Busy(key string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, runs := f.waiting[key]
	return runs
}

// run runs the job for all callers that wait, and starts the next one for those that have come meanwhile.
func (f *Group[T]) run(key string, start func(run func()), job func() T) {
	f.mu.Lock()
	all := f.waiting[key]
	f.waiting[key] = nil
	f.mu.Unlock()
	result := job()
	for _, done := range all {
		done(result)
	}
	f.mu.Lock()
	more := len(f.waiting[key]) > 0
	if !more {
		delete(f.waiting, key)
	}
	f.mu.Unlock()
	if more {
		start(func() { f.run(key, start, job) })
	}
}
