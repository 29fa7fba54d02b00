package entries

import (
	"sync"
	"time"

	"webim/room/engine"
)

// Reader has those methods of engine.State that only read, and their forms that return the result. All of them are
// safe for concurrent use, and call done before they return.
type Reader struct {
	lock    sync.Locker
	entries *Entries
	now     func() time.Time
}

// NewReader returns a Reader of entries that a lock guards.
func NewReader(lock sync.Locker, entries *Entries, now func() time.Time) Reader {
	return Reader{lock, entries, now}
}

// Get implements engine.State.
func (r Reader) Get(k engine.Key, done func(engine.Entry, error)) { done(r.Entry(k), nil) }

// Entry returns an entry. If there is none, its Version is 0.
func (r Reader) Entry(k engine.Key) engine.Entry {
	r.lock.Lock()
	defer r.lock.Unlock()
	return r.entries.Get(k, r.now())
}

// List implements engine.State.
func (r Reader) List(table, of, after string, limit int, done func([]engine.Entry, error)) {
	done(r.Entries(table, of, after, limit), nil)
}

// Entries returns what List reads.
func (r Reader) Entries(table, of, after string, limit int) []engine.Entry {
	r.lock.Lock()
	defer r.lock.Unlock()
	return r.entries.List(table, of, after, limit, r.now())
}

// Last returns the last entry of those with the same table and Of, and a name before the given one; ""
// means no limit. If there is none, its Version is 0.
func (r Reader) Last(table, of, before string) engine.Entry {
	r.lock.Lock()
	defer r.lock.Unlock()
	return r.entries.Last(table, of, before, r.now())
}

// CountEntries implements engine.State.
func (r Reader) CountEntries(table, of, after, before string, done func(int, error)) {
	r.lock.Lock()
	n := r.entries.Count(table, of, after, before)
	r.lock.Unlock()
	done(n, nil)
}

// Watch implements engine.State.
func (r Reader) Watch(table string, f func(was, is engine.Entry)) (stop func()) {
	r.lock.Lock()
	defer r.lock.Unlock()
	end := r.entries.Watch(table, f)
	return func() {
		r.lock.Lock()
		defer r.lock.Unlock()
		end()
	}
}
