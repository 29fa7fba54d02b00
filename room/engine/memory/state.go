package memory

import (
	"slices"
	"sync"
	"time"

	"webim/room/engine"
	"webim/room/engine/entries"
)

// state implements engine.State.
type state struct {
	now func() time.Time

	mu      sync.Mutex // only the watchers' locks are locked under it
	version uint64     // of the last write
	entries *entries.Entries
}

func newState(limit int64, now func() time.Time) *state {
	return &state{now: now, entries: entries.New(limit)}
}

// MaxState implements engine.State.
func (s *state) MaxState() int64 { return s.entries.Limit() }

// Get implements engine.State.
func (s *state) Get(k engine.Key, done func(engine.Entry, error)) {
	s.mu.Lock()
	e := s.entries.Get(k, s.now())
	s.mu.Unlock()
	done(e, nil)
}

// Put implements engine.State.
func (s *state) Put(e engine.Entry, done func(uint64, error)) {
	version, err := s.put(e)
	done(version, err)
}

func (s *state) put(e engine.Entry) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if err := s.entries.CheckVersion(e.Key, e.Version, now); err != nil {
		return 0, err
	}
	if err := s.entries.CheckSpace(e, now); err != nil {
		return 0, err
	}
	s.version++
	e.Version, e.Value = s.version, slices.Clone(e.Value)
	s.entries.Apply(e)
	return e.Version, nil
}

// Delete implements engine.State.
func (s *state) Delete(k engine.Key, version uint64, done func(error)) {
	s.mu.Lock()
	err := s.entries.CheckVersion(k, version, s.now())
	if err == nil {
		s.entries.Remove(k, s.version)
	}
	s.mu.Unlock()
	done(err)
}

// List implements engine.State.
func (s *state) List(table, of, after string, limit int, done func([]engine.Entry, error)) {
	s.mu.Lock()
	all := s.entries.List(table, of, after, limit, s.now())
	s.mu.Unlock()
	done(all, nil)
}

// CountEntries implements engine.State.
func (s *state) CountEntries(table, of, after, before string, done func(int, error)) {
	s.mu.Lock()
	n := s.entries.Count(table, of, after, before)
	s.mu.Unlock()
	done(n, nil)
}

// Watch implements engine.State.
func (s *state) Watch(table string, f func(was, is engine.Entry)) (stop func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	end := s.entries.Watch(table, f)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		end()
	}
}

// expire removes the entries that have expired.
func (s *state) expire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entries.Expire(s.now())
}

// size returns the cost of all entries.
func (s *state) size() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.entries.Size()
}
