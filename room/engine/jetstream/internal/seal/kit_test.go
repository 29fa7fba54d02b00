package seal

import (
	"bytes"
	"strings"
	"sync"
	"testing"
	"time"

	"webim/netpoll/wstest"
)

func TestMain(m *testing.M) { wstest.Main(m) }

func TestLockOrderNamesEachMutex(t *testing.T) { wstest.LockOrder(t) }

const (
	day  = int64(24 * time.Hour)
	noon = 20_000*day + day/2
)

func same(a, b *Key) bool { return bytes.Equal(a.record(), b.record()) }

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
