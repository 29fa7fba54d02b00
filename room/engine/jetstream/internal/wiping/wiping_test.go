package wiping

import (
	"maps"
	"testing"

	"webim/room/engine"
	"webim/room/engine/jetstream/internal/cuts"
)

// TestRemovalsAreLookedAtOneTakeLater checks that a removal is not in the next Take, in which its messages may still be
// deleted, but in the one after it, once; and that a cut comes again while something is left.
func TestRemovalsAreLookedAtOneTakeLater(t *testing.T) {
	var l List
	stub, cut := engine.Key{Table: "stub", Of: "r", Name: "1"}, cuts.Key{Room: "r", Class: "1d"}
	takes := func(want ...engine.Key) {
		t.Helper()
		all := map[engine.Key]bool{}
		for _, k := range want {
			all[k] = true
		}
		if got := l.Take(); !maps.Equal(got, all) {
			t.Errorf("%v, not %v", got, all)
		}
	}
	l.Note(stub)
	l.Note(cut.Entry())
	takes()
	takes(stub, cut.Entry())
	takes()
	for _, step := range []struct {
		first uint64
		stuck bool
	}{{5, false}, {7, false}, {7, true}} {
		if stuck := l.Left(cut, step.first); stuck != step.stuck {
			t.Errorf("%+v: %v", step, stuck)
		}
		takes(cut.Entry())
	}
	if l.Left(cut, 0) || l.Left(cut, 0) {
		t.Error("nothing is left, and it counts as stuck")
	}
	takes()
}

// TestRoomsTakeTurns checks that rooms are wiped in turn, by one job, which ends when none is left.
func TestRoomsTakeTurns(t *testing.T) {
	var l List
	a, b := cuts.Key{Room: "a"}, cuts.Key{Room: "b"}
	if !l.Add(a) || l.Add(b) || l.Add(a) {
		t.Error("not one job was to start")
	}
	for i, want := range []cuts.Key{a, b, a} {
		k, ok := l.Next()
		if !ok || k != want {
			t.Errorf("turn %d: %v, %v", i, k, ok)
		}
		if i == 0 {
			l.Again(a)
		}
	}
	if _, ok := l.Next(); ok {
		t.Error("there is another turn")
	}
	if !l.Add(b) {
		t.Error("no job starts after the first has ended")
	}
}
