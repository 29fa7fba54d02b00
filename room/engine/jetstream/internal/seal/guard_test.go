package seal

import (
	"errors"
	"strings"
	"testing"
)

// TestConfirm asks whether the store keeps the key of a text, for both keys of a user: that of the other one does not matter.
func TestConfirm(t *testing.T) {
	store, g := newMemory(), &guarded{bad: map[uint64]bool{}, doomed: map[uint64]bool{}}
	own, further := newKey(), newKey()
	store.records["ann"], store.further["ann"] = own.record(), further.record()
	r := NewRing(Config{Store: store, Guard: g})
	want := func(what string, id uint64, want bool, wantErr error) {
		t.Helper()
		called := 0
		r.Confirm("ann", id, func(is bool, err error) {
			if called++; is != want || err != wantErr {
				t.Errorf("%s: %v, %v", what, is, err)
			}
		})
		if called != 1 {
			t.Errorf("%s: done was called %d times", what, called)
		}
	}
	want("the own key", own.id, true, nil)
	want("the further key", further.id, true, nil)
	want("no key", 7, false, nil)
	store.take()
	want("again", own.id, true, nil)
	if asked := store.take(); asked != "get ann" {
		t.Errorf("the store was asked %q", asked)
	}
	g.bad[further.id] = true
	want("a key that is claimed", further.id, true, nil)
	if asked := store.take(); g.bad[further.id] || asked != "get ann" {
		t.Errorf("it was not claimed, or the store was asked %q", asked)
	}
	g.bad[further.id], g.doomed[further.id] = true, true
	want("a key that is being removed", further.id, false, nil)
	if asked := store.take(); asked != "get ann, delete id ann, get ann" {
		t.Errorf("the store was asked %q", asked)
	}
	want("the other key", own.id, true, nil)
	fault := errors.New("the store is away")
	store.set(func() { store.fault = fault })
	want("a store that is away", own.id, false, fault)
}

// guarded is a Guard. It answers at once, or when the test calls held.
type guarded struct {
	bad    map[uint64]bool // may not seal
	doomed map[uint64]bool // nor after a claim
	err    error
	held   func()
	hold   bool
}

func (g *guarded) May(id uint64) bool { return !g.bad[id] }

func (g *guarded) Claim(id uint64, done func(bool, error)) {
	g.held = func() {
		if g.err == nil && !g.doomed[id] {
			delete(g.bad, id)
		}
		done(!g.doomed[id], g.err)
	}
	if !g.hold {
		g.held()
	}
}

// TestGuard checks that a key which is being removed seals only after a claim, that the user gets another one if that fails, and
// that calls keep their order meanwhile.
func TestGuard(t *testing.T) {
	store, g := newMemory(), &guarded{bad: map[uint64]bool{}, doomed: map[uint64]bool{}}
	r := NewRing(Config{Store: store, Guard: g})
	first := sealingKey(t, r, "ann")
	store.take()

	g.bad[first.id], g.hold = true, true
	var got []string
	for _, name := range []string{"1", "2"} {
		r.ForSealing("ann", nil, func(k *Key, err error) {
			if got = append(got, name); k != first || err != nil {
				t.Errorf("%s: another key, %v", name, err)
			}
		})
	}
	if _, err := r.Peek("ann", first.id); len(got) != 0 || err != nil {
		t.Errorf("%q before the claim, opening: %v", got, err)
	}
	g.held()
	if strings.Join(got, "") != "12" || store.take() != "" {
		t.Errorf("after the claim: %q", got)
	}

	g.bad[first.id], g.err, g.hold = true, errors.New("ill"), false
	r.ForSealing("ann", nil, func(k *Key, err error) {
		if k != nil || err != g.err {
			t.Errorf("a claim that fails: %v", err)
		}
	})
	g.err = nil
	g.doomed[first.id] = true
	if second := sealingKey(t, r, "ann"); second.id == first.id {
		t.Error("a doomed key seals")
	}
	if asked := store.take(); asked != "delete id ann, get ann, create ann" {
		t.Errorf("the store was asked %q", asked)
	}

	// Another node has replaced the key before: that one stays.
	g.bad[first.id] = true
	other := newKey()
	b := NewRing(Config{Store: store, Guard: g})
	store.records["bob"] = first.record()
	sealing := make(chan *Key, 1)
	g.hold = true
	b.ForSealing("bob", nil, func(k *Key, _ error) { sealing <- k })
	store.records["bob"] = other.record()
	g.held()
	if k := <-sealing; !same(k, other) {
		t.Error("the key of the other node was deleted")
	}
}
