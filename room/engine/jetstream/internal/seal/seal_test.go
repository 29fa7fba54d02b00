package seal

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"webim/netpoll/wstest"
)

func TestMain(m *testing.M) { wstest.Main(m) }

func TestLockOrderNamesEachMutex(t *testing.T) { wstest.LockOrder(t) }

const (
	day  = int64(24 * time.Hour)
	noon = 20_000*day + day/2
)

func same(a, b *Key) bool { return bytes.Equal(a.record(), b.record()) }

func TestSealAndOpen(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k := newKey()
		text := rapid.SliceOf(rapid.Byte()).Draw(t, "text")
		room := rapid.String().Draw(t, "room")
		at := rapid.Int64().Draw(t, "time")
		sealed := k.Seal([]byte("dst"), text, room, at)[3:]
		if len(sealed) != len(text)+Overhead || KeyID(sealed) != k.id {
			t.Fatalf("a text of %d bytes is sealed as %x by the key %x", len(text), sealed, k.id)
		}
		if len(text) > 8 && bytes.Contains(sealed, text) {
			t.Fatal("the text can be read")
		}
		if got, err := k.Open([]byte("dst"), sealed, room, at); err != nil || !bytes.Equal(got[3:], text) {
			t.Fatalf("opened as %q, %v, want %q", got, err, text)
		}
		if _, err := k.Open(nil, sealed, room+"x", at); err != ErrDamaged {
			t.Fatalf("in another room: %v", err)
		}
		changed := slices.Clone(sealed)
		changed[rapid.IntRange(idSize, len(sealed)-1).Draw(t, "byte")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		if _, err := k.Open(nil, changed, room, at); err != ErrDamaged {
			t.Fatalf("with another bit: %v", err)
		}
		if _, err := k.Open(nil, sealed[:rapid.IntRange(0, len(sealed)-1).Draw(t, "length")], room, at); err != ErrDamaged {
			t.Fatalf("truncated: %v", err)
		}
		if _, err := newKey().Open(nil, sealed, room, at); err != ErrErased {
			t.Fatalf("with another key: %v", err)
		}
	})
}

// TestDays checks that a day has its own key, and that no two days share one.
func TestDays(t *testing.T) {
	k := newKey()
	for _, c := range []struct {
		sealed, opened int64
		same           bool
	}{
		{noon, noon, true}, {noon, noon + day/2 - 1, true}, {noon, noon - day/2, true},
		{noon, noon + day/2, false}, {noon, noon - day/2 - 1, false}, {noon, noon + day, false},
		{0, -1, false}, {-1, -day + 1, true}, {-1, -day, true}, {-1, -day - 1, false}, {math.MinInt64, math.MaxInt64, false},
	} {
		_, err := k.Open(nil, k.Seal(nil, []byte("text"), "lobby", c.sealed), "lobby", c.opened)
		if c.same != (err == nil) {
			t.Errorf("sealed at %d, opened at %d: %v", c.sealed, c.opened, err)
		}
	}
}

func TestNoncesDiffer(t *testing.T) {
	k, seen := newKey(), map[string]bool{}
	for range 1000 {
		nonce := string(k.Seal(nil, []byte("text"), "lobby", noon)[idSize : idSize+nonceSize])
		if seen[nonce] {
			t.Fatal("a nonce comes twice")
		}
		seen[nonce] = true
	}
}

// TestGolden opens a text that an earlier build has sealed: the log keeps them for ever.
func TestGolden(t *testing.T) {
	file, err := os.ReadFile("testdata/v1")
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(file))
	record, err1 := hex.DecodeString(fields[0])
	sealed, err2 := hex.DecodeString(fields[1])
	k, err3 := parseKey(record)
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	if got, err := k.Open(nil, sealed, "lobby", noon); err != nil || string(got) != "what the user said" {
		t.Errorf("opened as %q, %v", got, err)
	}
}

// TestCipherIsAsDescribed opens a text with the primitives that doc.go names.
func TestCipherIsAsDescribed(t *testing.T) {
	k := newKey()
	sealed := k.Seal(nil, []byte("text"), "lobby", noon)
	secret, err := hkdf.Expand(sha256.New, k.record()[8:], "webim message key \x00\x00\x00\x00\x00\x00\x4e\x20", 32) // day 20,000
	if err != nil {
		t.Fatal(err)
	}
	block, err := aes.NewCipher(secret)
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := aead.Open(nil, sealed[8:20], sealed[20:], []byte("lobby")); err != nil || string(got) != "text" {
		t.Errorf("opened as %q, %v", got, err)
	}
}

func TestRecords(t *testing.T) {
	k := newKey()
	record := k.record()
	if again, err := parseKey(record); err != nil || !same(again, k) {
		t.Errorf("read as %v, %v", again, err)
	}
	for _, bad := range [][]byte{nil, record[:39], append(slices.Clone(record), 0)} {
		if _, err := parseKey(bad); err != ErrRecord {
			t.Errorf("a record of %d bytes: %v", len(bad), err)
		}
	}
	if same(newKey(), newKey()) {
		t.Error("two keys are the same")
	}
}

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

func BenchmarkSeal(b *testing.B) {
	b.ReportAllocs()
	k, text, dst := newKey(), make([]byte, 160), make([]byte, 0, 256)
	for b.Loop() {
		dst = k.Seal(dst[:0], text, "lobby", noon)
	}
}

// memory is a Store in memory. It answers at once, or when the test calls answer.
type memory struct {
	mu      sync.Mutex
	records map[string][]byte // the own keys
	further map[string][]byte
	asked   []string // what was asked
	held    []func() // answers to come
	hold    bool
	fault   error
}

func newMemory() *memory { return &memory{records: map[string][]byte{}, further: map[string][]byte{}} }

// do applies an operation, now or later.
func (m *memory) do(what string, op func(err error) (answer func())) {
	m.mu.Lock()
	m.asked = append(m.asked, what)
	later := func() {
		m.mu.Lock()
		answer := op(m.fault)
		m.mu.Unlock()
		answer()
	}
	if m.hold {
		m.held = append(m.held, later)
		m.mu.Unlock()
		return
	}
	m.mu.Unlock()
	later()
}

func (m *memory) Get(user string, id uint64, _ bool, done func([]byte, bool, error)) {
	m.do("get "+user, func(err error) func() {
		record, own := m.records[user], true
		if is, ok := RecordID(m.further[user]); ok && is == id {
			record, own = m.further[user], false
		}
		if err != nil {
			record = nil
		}
		return func() { done(record, own, err) }
	})
}

func (m *memory) Create(user string, record []byte, _ string, done func(bool, error)) {
	m.do("create "+user, func(err error) func() {
		_, exists := m.records[user]
		if !exists && err == nil {
			m.records[user] = record
		}
		return func() { done(!exists && err == nil, err) }
	})
}

func (m *memory) Delete(user string, done func(error)) {
	m.do("delete "+user, func(err error) func() {
		if err == nil {
			delete(m.records, user)
			delete(m.further, user)
		}
		return func() { done(err) }
	})
}

func (m *memory) DeleteID(user string, id uint64, done func(error)) {
	m.do("delete id "+user, func(err error) func() {
		for _, of := range []map[string][]byte{m.records, m.further} {
			if is, ok := RecordID(of[user]); err == nil && ok && is == id {
				delete(of, user)
			}
		}
		return func() { done(err) }
	})
}

// answer answers the question that waits longest.
func (m *memory) answer(t *testing.T) {
	t.Helper()
	m.mu.Lock()
	if len(m.held) == 0 {
		m.mu.Unlock()
		t.Fatal("nobody has asked")
	}
	next := m.held[0]
	m.held = m.held[1:]
	m.mu.Unlock()
	next()
}

func (m *memory) take() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := strings.Join(m.asked, ", ")
	m.asked = nil
	return all
}

func (m *memory) set(f func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f()
}

// sealingKey returns the key of a user from a ring whose store answers at once.
func sealingKey(t *testing.T, r *Ring, user string) (k *Key) {
	t.Helper()
	called := 0
	r.ForSealing(user, nil, func(got *Key, err error) {
		if called++; err != nil {
			t.Fatal(err)
		}
		k = got
	})
	if called != 1 {
		t.Fatalf("done was called %d times", called)
	}
	return k
}

// openingError returns the error for opening.
func openingError(t *testing.T, r *Ring, user string, id uint64) error {
	t.Helper()
	_, err := forOpening(t, r, user, id)
	return err
}

// openingKey returns the key for opening; nil: none.
func openingKey(t *testing.T, r *Ring, user string, id uint64) *Key {
	t.Helper()
	k, err := forOpening(t, r, user, id)
	if err != nil {
		t.Error(err)
	}
	return k
}

func forOpening(t *testing.T, r *Ring, user string, id uint64) (key *Key, err error) {
	t.Helper()
	called := 0
	r.ForOpening(user, id, func(k *Key, e error) {
		if called++; e == nil && k.id != id {
			t.Errorf("%s: asked for the key %x, got %x", user, id, k.id)
		}
		key, err = k, e
	})
	if called != 1 {
		t.Fatalf("done was called %d times", called)
	}
	return key, err
}

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

func TestDigest(t *testing.T) {
	a, b := newKey(), newKey()
	first := a.Digest([]byte("text"))
	if !bytes.Equal(first, a.Digest([]byte("text"))) || bytes.Equal(first, a.Digest([]byte("other"))) || bytes.Equal(first, b.Digest([]byte("text"))) {
		t.Error("a digest does not depend on the key and the text alone")
	}
}

// FuzzOpen checks that a sealed text is opened by its key only, and that no other bytes are.
func FuzzOpen(f *testing.F) {
	k, other := newKey(), newKey()
	f.Add([]byte("hello"), "r", int64(1), []byte("not sealed"))
	f.Fuzz(func(t *testing.T, text []byte, room string, at int64, bytes []byte) {
		sealed := k.Seal(nil, text, room, at)
		if back, err := k.Open(nil, sealed, room, at); err != nil || string(back) != string(text) {
			t.Errorf("%q is opened as %q, %v", text, back, err)
		}
		if _, err := other.Open(nil, sealed, room, at); err == nil {
			t.Error("another key opens it")
		}
		if back, err := k.Open(nil, bytes, room, at); err == nil {
			t.Errorf("%q is opened as %q", bytes, back)
		}
	})
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
