package jetstream

import "sync"

// flights lets many callers wait for one job: whoever asks for a key while its job runs gets the result
// of that job.
type flights[T any] struct {
	mu      sync.Mutex // innermost
	waiting map[string][]func(T)
}

// do starts the job for a key, unless one runs, and calls done with its result.
func (f *flights[T]) do(key string, start func(run func()), job func() T, done func(T)) {
	f.mu.Lock()
	if f.waiting == nil {
		f.waiting = map[string][]func(T){}
	}
	all, runs := f.waiting[key]
	f.waiting[key] = append(all, done)
	f.mu.Unlock()
	if runs {
		return
	}
	start(func() {
		result := job()
		f.mu.Lock()
		all := f.waiting[key]
		delete(f.waiting, key)
		f.mu.Unlock()
		for _, done := range all {
			done(result)
		}
	})
}
