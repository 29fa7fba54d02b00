package seal

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"testing"
)

// TestUserCost compares the memory that a ring counts with the memory that it takes.
func TestUserCost(t *testing.T) {
	const n = 2000
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC() // also what the first one has finalized
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	store := newMemory()
	for i := range n {
		store.records[fmt.Sprint(i)] = newKey().record()
	}
	before := heap()
	r := NewRing(Config{Store: store})
	for i := range n {
		k := sealingKey(t, r, fmt.Sprint(i))
		k.Seal(nil, nil, "lobby", noon)
		for id := range uint64(maxMissing) {
			_ = openingError(t, r, fmt.Sprint(i), id+1)
		}
		if i%2 == 0 {
			other := newKey()
			store.further[fmt.Sprint(i)] = other.record()
			if k := openingKey(t, r, fmt.Sprint(i), other.id); k != nil {
				k.Seal(nil, nil, "lobby", noon)
			}
		}
		store.asked = nil
	}
	took := heap() - before
	if took > r.bytes || took < r.bytes/2 {
		t.Errorf("%d users take %d bytes each, and the ring counts %d", n, took/n, r.bytes/n)
	}
	runtime.KeepAlive(store)
}

// TestMayMakeNoKey checks that no key is made for a user if it may not, and that this ends only the call that asked for it.
func TestMayMakeNoKey(t *testing.T) {
	store := newMemory()
	r := NewRing(Config{Store: store})
	no, yes := func() (string, bool) { return "", false }, func() (string, bool) { return "", true }
	store.hold = true
	var got []error
	add := func(_ *Key, err error) { got = append(got, err) }
	r.ForSealing("ann", no, add)
	r.ForSealing("ann", yes, add)
	for range 3 { // read, read, create
		store.answer(t)
	}
	if len(got) != 2 || got[0] != ErrShare || got[1] != nil {
		t.Errorf("answers: %v", got)
	}
	r.ForSealing("ann", no, add) // there is a key
	if len(got) != 3 || got[2] != nil {
		t.Errorf("with a key: %v", got)
	}
}

func TestErrors(t *testing.T) {
	store := newMemory()
	fault := errors.New("the store is away")
	r := NewRing(Config{Store: store, MaxWaiting: 3})
	store.hold = true
	var got []error
	note := func(_ *Key, err error) { got = append(got, err) }
	r.ForSealing("ann", nil, note)
	r.ForOpening("ann", 1, note)
	r.Erase("ann", func(err error) { note(nil, err) })
	r.ForSealing("ann", nil, note)
	r.ForSealing("bob", nil, note)
	if !slices.Equal(got, []error{ErrBusy, ErrBusy}) {
		t.Fatalf("three calls wait, and more get %v", got)
	}
	got = nil
	store.set(func() { store.fault = fault })
	store.answer(t) // one question for all
	if !slices.Equal(got, []error{fault, fault, fault}) {
		t.Errorf("the store is away: %v", got)
	}
	store.set(func() { store.fault, store.hold = nil, false })
	k := sealingKey(t, r, "ann") // nothing is left of the fault

	store.set(func() { store.fault = fault })
	var erased error
	r.Erase("ann", func(err error) { erased = err })
	if erased != fault {
		t.Errorf("erasing: %v", erased)
	}
	if err := openingError(t, r, "ann", k.id); err != fault {
		t.Errorf("a key that was perhaps erased: %v", err)
	}
	store.set(func() { store.fault = nil; store.records["ann"] = []byte("short") })
	if err := openingError(t, r, "ann", k.id); err != ErrRecord {
		t.Errorf("a damaged record: %v", err)
	}
}

// stubborn is a store in which the key of a user appears and vanishes at the wrong moments.
type stubborn struct{ *memory }

func (s stubborn) Create(user string, record []byte, _ string, done func(bool, error)) {
	done(false, nil)
}

func TestCreateGivesUp(t *testing.T) {
	store := stubborn{newMemory()}
	var got error
	NewRing(Config{Store: store}).ForSealing("ann", nil, func(_ *Key, err error) { got = err })
	if got != ErrBusy || store.take() != "get ann, get ann, get ann" {
		t.Errorf("got %v", got)
	}
}

// TestMemoryIsBounded checks that the users that were needed longest ago are forgotten.
func TestMemoryIsBounded(t *testing.T) {
	const n = 10
	store := newMemory()
	r := NewRing(Config{Store: store, MaxBytes: n * (userCost + 4)})
	for i := range 10 * n {
		sealingKey(t, r, fmt.Sprintf("u%03d", i))
		sealingKey(t, r, "u000") // stays
	}
	if len(r.users) != n || r.order.Len() != n || r.bytes != n*(userCost+4) {
		t.Errorf("%d users in %d bytes", len(r.users), r.bytes)
	}
	store.take()
	for _, user := range []string{"u000", "u099", "u091"} {
		sealingKey(t, r, user)
	}
	if asked := store.take(); asked != "" {
		t.Errorf("the newest users are not in memory: %s", asked)
	}
	sealingKey(t, r, "u050")
	if asked := store.take(); asked != "get u050" {
		t.Errorf("an old user is still in memory: %s", asked)
	}
	for id := uint64(1); id <= 3*maxMissing; id++ {
		_ = openingError(t, r, "u000", id)
	}
	if got := len(r.users["u000"].Value.(*user).missing); got != maxMissing {
		t.Errorf("%d deleted keys are remembered", got)
	}
}

// TestWaitingUsersStay checks that a user whose calls wait is not forgotten, however full the memory is.
func TestWaitingUsersStay(t *testing.T) {
	store := newMemory()
	store.hold = true
	r := NewRing(Config{Store: store, MaxBytes: 1})
	var got []string
	for _, user := range []string{"ann", "bob", "ann", "cid"} {
		r.ForSealing(user, nil, func(_ *Key, err error) {
			if err != nil {
				t.Error(err)
			}
			got = append(got, user)
		})
	}
	if asked := store.take(); asked != "get ann, get bob, get cid" {
		t.Errorf("the store was asked %q", asked)
	}
	for len(got) < 4 {
		store.answer(t)
	}
	if len(r.users) != 0 || r.bytes != 0 || r.waiting != 0 {
		t.Errorf("%d users in %d bytes, %d calls wait", len(r.users), r.bytes, r.waiting)
	}
}
