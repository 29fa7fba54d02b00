package seal

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
)

// TestLife follows the keys of a user through two nodes.
func TestLife(t *testing.T) {
	store := newMemory()
	a, b := NewRing(Config{Store: store}), NewRing(Config{Store: store})
	wantAsked := func(what, want string) {
		t.Helper()
		if got := store.take(); got != want {
			t.Errorf("%s: the store was asked %q, want %q", what, got, want)
		}
	}
	first := sealingKey(t, a, "ann")
	wantAsked("the first use", "get ann, create ann")
	if sealingKey(t, a, "ann") != first || openingError(t, a, "ann", first.id) != nil {
		t.Error("the second use gives another key")
	}
	wantAsked("the second use", "")
	if got := sealingKey(t, b, "ann"); !same(got, first) {
		t.Error("another node has another key")
	}
	wantAsked("another node", "get ann")
	if other := sealingKey(t, a, "bob"); other.id == first.id || other.secret == first.secret {
		t.Error("two users have the same key")
	}
	wantAsked("another user", "get bob, create bob")

	erased := errors.New("not called")
	a.Erase("ann", func(err error) { erased = err })
	if erased != nil {
		t.Fatal(erased)
	}
	wantAsked("erasing", "delete ann")
	for range 3 {
		if err := openingError(t, a, "ann", first.id); err != ErrErased {
			t.Errorf("after erasing: %v", err)
		}
	}
	wantAsked("opening after erasing", "get ann") // once
	if openingError(t, b, "ann", first.id) != nil {
		t.Error("the other node does not have the key in memory")
	}
	b.Forget("ann")
	if err := openingError(t, b, "ann", first.id); err != ErrErased {
		t.Errorf("the other node after Forget: %v", err)
	}
	b.Forget("nobody")
	wantAsked("the other node after Forget", "get ann")

	second := sealingKey(t, b, "ann")
	if second.id == first.id || second.secret == first.secret {
		t.Error("the new key is the old one")
	}
	wantAsked("a new key", "get ann, create ann")
	if err := openingError(t, a, "ann", second.id); err != nil {
		t.Errorf("a new key of another node: %v", err)
	}
	wantAsked("a new key of another node", "get ann")
	for range 2 {
		if err := openingError(t, a, "ann", first.id); err != ErrErased {
			t.Errorf("the old key: %v", err)
		}
	}
	wantAsked("the old key", "")
}

// TestFurtherKey opens a text with a further key of a user: the user's own key seals nevertheless, and both stay in memory.
func TestFurtherKey(t *testing.T) {
	store := newMemory()
	own, further := newKey(), newKey()
	store.records["ann"], store.further["ann"] = own.record(), further.record()
	r := NewRing(Config{Store: store})
	for range 2 {
		openingKey(t, r, "ann", further.id)
		if k := sealingKey(t, r, "ann"); k.id != own.id {
			t.Errorf("the key %x seals, want %x", k.id, own.id)
		}
		openingKey(t, r, "ann", own.id)
	}
	if asked := store.take(); asked != "get ann, get ann" {
		t.Errorf("the store was asked %q", asked)
	}
	r.Forget("ann")
	if _, err := r.Peek("ann", further.id); err != ErrAsk {
		t.Errorf("after Forget: %v", err)
	}
	if r.bytes != userCost+3 {
		t.Errorf("%d bytes after Forget", r.bytes)
	}
	// Without a key of one's own, a new one is made.
	delete(store.records, "ann")
	openingKey(t, r, "ann", further.id)
	if k := sealingKey(t, r, "ann"); k.id == further.id {
		t.Error("the further key seals")
	}
}

// TestPeek checks that Peek answers only from memory.
func TestPeek(t *testing.T) {
	store := newMemory()
	r := NewRing(Config{Store: store, MaxBytes: 2 * (userCost + 3)})
	want := func(user string, id uint64, want error) {
		t.Helper()
		if k, err := r.Peek(user, id); err != want || (k != nil) != (err == nil) || k != nil && k.id != id {
			t.Errorf("%s: %v, want %v", user, err, want)
		}
	}
	want("ann", 7, ErrAsk)
	ann := sealingKey(t, r, "ann")
	want("ann", ann.id, nil)
	want("ann", 7, ErrAsk)
	_ = openingError(t, r, "ann", 7)
	want("ann", 7, ErrErased)
	sealingKey(t, r, "bob")
	want("ann", ann.id, nil) // counts as a use
	sealingKey(t, r, "cid")  // takes the place of bob
	want("ann", ann.id, nil)
	r.Forget("ann")
	want("ann", ann.id, ErrAsk)
	store.take()
	sealingKey(t, r, "bob")
	if asked := store.take(); asked != "get bob" {
		t.Errorf("the store was asked %q", asked)
	}
}

// TestOrder checks that calls wait for those before them.
func TestOrder(t *testing.T) {
	store := newMemory()
	store.hold = true
	r := NewRing(Config{Store: store})
	var got []string
	var ids []uint64
	add := func(name string) func(*Key, error) {
		return func(k *Key, err error) {
			if err != nil {
				name += " " + err.Error()
			} else {
				ids = append(ids, k.id)
			}
			got = append(got, name)
		}
	}
	r.ForSealing("ann", nil, add("1"))
	r.ForSealing("ann", nil, add("2"))
	r.Erase("ann", func(error) { got = append(got, "erased"); r.ForSealing("ann", nil, add("5")) })
	r.ForSealing("ann", nil, add("3"))
	r.ForOpening("ann", 7, add("4"))
	if len(got) != 0 {
		t.Fatalf("answered: %q", got)
	}
	store.answer(t) // get
	store.answer(t) // create
	if !slices.Equal(got, []string{"1", "2"}) || ids[0] != ids[1] {
		t.Fatalf("answered: %q", got)
	}
	r.ForSealing("ann", nil, add("6")) // does not overtake the others, although the key is in memory
	store.answer(t)                    // delete
	store.answer(t)                    // get
	store.answer(t)                    // create
	store.answer(t)                    // get, for opening
	if want := []string{"1", "2", "erased", "3", "4 " + ErrErased.Error(), "6", "5"}; !slices.Equal(got, want) {
		t.Errorf("answered %q, want %q", got, want)
	}
	if ids[2] == ids[0] || ids[2] != ids[3] || ids[3] != ids[4] {
		t.Errorf("keys %x", ids)
	}
}

// TestFirstUsesRace makes the first key on many nodes at the same time.
func TestFirstUsesRace(t *testing.T) {
	store := newMemory()
	store.hold = true
	var keys []*Key
	for range 5 {
		NewRing(Config{Store: store}).ForSealing("ann", nil, func(k *Key, err error) {
			if err != nil {
				t.Error(err)
			}
			keys = append(keys, k)
		})
	}
	for len(keys) < 5 { // all read that there is no key, then all create one
		store.answer(t)
	}
	for _, k := range keys {
		if !same(k, keys[0]) {
			t.Errorf("keys %x and %x", keys[0].id, k.id)
		}
	}
	if n := strings.Count(store.take(), "create"); n != 5 {
		t.Errorf("%d nodes tried to create a key", n)
	}
}

// TestForgetWhileAsking checks that an answer that may be from before Forget is not kept.
func TestForgetWhileAsking(t *testing.T) {
	store := newMemory()
	old, fresh := newKey(), newKey()
	store.records["ann"] = old.record()
	store.hold = true
	r := NewRing(Config{Store: store})
	var got *Key
	r.ForSealing("ann", nil, func(k *Key, err error) { got = k })
	r.Forget("ann") // before the answer, which is the old key
	store.answer(t)
	store.set(func() { store.records["ann"] = fresh.record() })
	if got != nil {
		t.Fatalf("answered with the key %x", got.id)
	}
	store.answer(t)
	if got == nil || !same(got, fresh) {
		t.Errorf("answered with %v, want the key %x", got, fresh.id)
	}

	// The same for a key that this ring has made.
	got = nil
	r.ForSealing("bob", nil, func(k *Key, err error) { got = k })
	store.answer(t) // there is none
	r.Forget("bob")
	store.answer(t) // created
	store.set(func() { store.records["bob"] = fresh.record() })
	store.answer(t)
	if got == nil || !same(got, fresh) {
		t.Errorf("answered with %v, want the key %x", got, fresh.id)
	}
}

// TestConcurrent uses a ring from many goroutines, while keys are erased.
func TestConcurrent(t *testing.T) {
	store := newMemory()
	rings := []*Ring{NewRing(Config{Store: store, MaxBytes: 3 * userCost}), NewRing(Config{Store: store})}
	var wg sync.WaitGroup
	for i := range 8 {
		r, other := rings[i%2], rings[1-i%2]
		wg.Go(func() {
			for j := range 500 {
				user := fmt.Sprint("u", (i+j)%5)
				done := make(chan *Key, 1)
				r.ForSealing(user, nil, func(k *Key, err error) {
					if err != nil && err != ErrBusy {
						t.Error(err)
					}
					done <- k
				})
				k := <-done
				switch {
				case k == nil:
				case j%50 == 49:
					ok := make(chan error, 1)
					r.Erase(user, func(err error) { ok <- err })
					if err := <-ok; err != nil {
						t.Error(err)
					}
					other.Forget(user)
				default:
					ok := make(chan error, 1)
					other.ForOpening(user, k.id, func(_ *Key, err error) { ok <- err })
					if err := <-ok; err != nil && err != ErrErased {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	for _, r := range rings {
		if r.waiting != 0 {
			t.Errorf("%d calls wait", r.waiting)
		}
	}
}
