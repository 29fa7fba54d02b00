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
	entries.Reader
	now     func() time.Time
	refuses func() error // see Engine.refuses

	mu      sync.Mutex // only the watchers' locks are locked under it
	version uint64     // of the last write
	entries *entries.Entries
}

func newState(limit int64, now func() time.Time, refuses func() error) *state {
	s := &state{now: now, refuses: refuses, entries: entries.New(limit, engine.TableErased)}
	s.Reader = entries.NewReader(&s.mu, s.entries, now)
	return s
}

// MaxState implements engine.State.
func (s *state) MaxState() int64 { return s.entries.Limit() }

// Put implements engine.State.
func (s *state) Put(e engine.Entry, done func(uint64, error)) {
	version, err := s.put(e)
	done(version, err)
}

func (s *state) put(e engine.Entry) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if err := s.refuses(); err != nil {
		return 0, err
	}
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
	err := s.refuses()
	if err == nil {
		err = s.entries.CheckVersion(k, version, s.now())
	}
	if err == nil {
		s.entries.Remove(k, s.version)
	}
	s.mu.Unlock()
	done(err)
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
