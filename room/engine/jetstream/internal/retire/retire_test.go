package retire

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"webim/netpoll/wstest"
	"webim/room/engine"
)

func TestLockOrderNamesEachMutex(t *testing.T) { wstest.LockOrder(t) }

func TestRounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := Round{ID: rapid.Uint64().Draw(t, "id"), Phase: Phase(rapid.IntRange(0, 3).Draw(t, "phase")), Owner: rapid.Uint64().Draw(t, "owner"), Keys: []Ref{}}
		if rapid.Bool().Draw(t, "ended") {
			r.Ended = time.Unix(0, rapid.Int64Range(1, 1<<62).Draw(t, "at"))
		}
		for _, seq := range rapid.SliceOfNDistinct(rapid.Uint64(), 0, 20, rapid.ID).Draw(t, "seqs") {
			r.Keys = append(r.Keys, Ref{seq, rapid.Uint64().Draw(t, "key")})
		}
		slices.SortFunc(r.Keys, func(a, b Ref) int {
			if a.Seq < b.Seq {
				return -1
			}
			return 1
		})
		b := r.Encode()
		if is, err := Decode(b); err != nil || !reflect.DeepEqual(is, r) {
			t.Fatalf("%+v is read as %+v, %v", r, is, err)
		}
		if _, err := Decode(b[:rapid.IntRange(0, len(b)-1).Draw(t, "length")]); err == nil {
			t.Error("a part of it can be read")
		}
		if _, err := Decode(append(b, 0)); err == nil {
			t.Error("more than it can be read")
		}
	})
}

func TestSize(t *testing.T) {
	r := Round{Phase: Naming}
	for i := range uint64(MaxKeys) {
		r.Keys = append(r.Keys, Ref{i * 100, 1 << 63})
	}
	if n := len(r.Encode()); n > 400_000 {
		t.Errorf("%d bytes", n)
	}
}

// TestView follows a round. A key is kept only by an entry of this round that came before the phase Deleting, in whichever order
// a node reads them.
func TestView(t *testing.T) {
	const a, b, c, d, other = 1, 2, 3, 4, 5
	keys := []Ref{{10, a}, {11, b}, {12, c}, {13, d}}
	entry := func(phase Phase, round, version uint64) engine.Entry {
		r := Round{ID: round, Phase: phase}
		if phase >= Naming {
			r.Keys = keys
		}
		return engine.Entry{Key: RoundKey(), Value: r.Encode(), Version: version}
	}
	keep := func(round, id, version uint64) engine.Entry {
		e := Keep(round, id)
		e.Version = version
		return e
	}
	check := func(v *View, what string, want map[uint64]Verdict) {
		t.Helper()
		for id, want := range want {
			is, entry, err := v.Judge(id)
			if is != want || err != nil || v.May(id) != (want == Free) || want == Named && entry.Key != Keep(7, id).Key {
				t.Errorf("%s: the key %d is %v, %v, want %v", what, id, is, err, want)
			}
		}
	}
	free := map[uint64]Verdict{a: Free, b: Free, c: Free, d: Free, other: Free}
	v := &View{}
	check(v, "no round", free)
	v.Change(keep(6, a, 90)) // of an earlier round
	v.Change(entry(Scanning, 6, 99))
	check(v, "scanning", free)
	v.Change(entry(Naming, 7, 100))
	check(v, "naming", map[uint64]Verdict{a: Named, b: Named, other: Free})
	v.Change(keep(7, b, 101))
	check(v, "one is kept", map[uint64]Verdict{a: Named, b: Free, c: Named})
	v.Change(entry(Deleting, 7, 103))
	v.Change(keep(7, d, 104)) // too late
	late := map[uint64]Verdict{a: Doomed, b: Free, c: Doomed, d: Doomed, other: Free}
	check(v, "deleting", late)
	if all := v.Doomed(); !slices.Equal(all, []Ref{{10, a}, {12, c}, {13, d}}) {
		t.Errorf("%v are doomed", all)
	}
	again := &View{} // a node that reads all of it later
	for _, e := range []engine.Entry{keep(6, a, 90), keep(7, d, 104), entry(Deleting, 7, 103), keep(7, b, 101)} {
		again.Change(e)
	}
	check(again, "read later", late)
	if n := len(v.Kept()); n != 3 {
		t.Errorf("%d keys are kept", n)
	}
	v.Change(engine.Entry{Key: Keep(7, d).Key})
	v.Change(entry(Idle, 7, 105))
	check(v, "idle", free)
	if all := v.Doomed(); all != nil || v.ID() != 7 || len(v.Kept()) != 2 {
		t.Errorf("afterwards: %v, %v", all, v.Kept())
	}
	v.Change(engine.Entry{Key: RoundKey(), Value: []byte("of a newer webim"), Version: 106})
	if _, _, err := v.Judge(a); v.May(a) || err == nil {
		t.Errorf("a round that cannot be read: %v", err)
	}
	if all := v.Doomed(); all != nil {
		t.Errorf("a round that cannot be read: %v", all)
	}
	v.Change(engine.Entry{Key: RoundKey()})
	check(v, "no round any more", free)
}
