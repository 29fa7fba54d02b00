package store

import (
	"errors"
	"sync"
	"testing"

	"webim/room/engine"
	"webim/room/engine/memory"
	"webim/room/wire"
)

var key = engine.Key{Table: engine.TableMark, Of: "ann", Name: "lobby"}

// TestChange lets many writers change an entry at the same time: no change is lost.
func TestChange(t *testing.T) {
	s := New(memory.New(memory.Limits{}))
	var all sync.WaitGroup
	for range MaxTries {
		all.Go(func() {
			if err := Change(t.Context(), s, key, func(n *int, _ bool) bool { *n++; return true }); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n, e, err := Read[int](t.Context(), s, key); err != nil || n != MaxTries || e.Version == 0 {
		t.Errorf("%d, version %d, %v", n, e.Version, err)
	}
}

// TestChangeGivesUp checks an entry that somebody else changes before each write.
func TestChangeGivesUp(t *testing.T) {
	s, tries := New(memory.New(memory.Limits{})), 0
	err := Change(t.Context(), s, key, func(*int, bool) bool {
		tries++
		if _, err := s.Put(t.Context(), engine.Entry{Key: key, Version: engine.AnyVersion, Value: []byte("1")}); err != nil {
			t.Fatal(err)
		}
		return true
	})
	if err != engine.ErrVersion || tries != MaxTries {
		t.Errorf("after %d tries: %v", tries, err)
	}
}

// TestAtMost checks that a list with as many entries as the limit is full.
func TestAtMost(t *testing.T) {
	s := New(memory.New(memory.Limits{}))
	for _, name := range []string{"a", "b"} {
		if _, err := s.Put(t.Context(), engine.Entry{Key: engine.Key{Table: key.Table, Of: key.Of, Name: name}, Value: []byte("1")}); err != nil {
			t.Fatal(err)
		}
	}
	if err := AtMost(t.Context(), s, 3, key.Table, key.Of, "full"); err != nil {
		t.Error(err)
	}
	if err := AtMost(t.Context(), s, 2, key.Table, key.Of, "full"); !errors.Is(err, wire.ErrLimitExceeded) {
		t.Error(err)
	}
}
