package cluster

import (
	"sync"
	"time"
)

// keepCounts is how long counts of large rooms are kept.
const keepCounts = time.Second

// maxRecent is the number of results that are kept.
const maxRecent = 1024

// recent keeps results by room for keepCounts. Its zero value is empty.
type recent[T any] struct {
	mu  sync.Mutex
	all map[string]kept[T]
}

type kept[T any] struct {
	value T
	until time.Time
}

func (r *recent[T]) get(room string) (value T, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	k, ok := r.all[room]
	if !ok || time.Now().After(k.until) {
		return value, false
	}
	return k.value, true
}

// put keeps a result. If there are too many, the old ones are removed, and then others.
func (r *recent[T]) put(room string, value T) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if r.all == nil {
		r.all = map[string]kept[T]{}
	}
	for other, k := range r.all {
		if now.After(k.until) {
			delete(r.all, other)
		}
	}
	for other := range r.all {
		if len(r.all) < maxRecent {
			break
		}
		delete(r.all, other)
	}
	r.all[room] = kept[T]{value, now.Add(keepCounts)}
}
