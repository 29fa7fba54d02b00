package enginetest

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"webim/room/engine"
)

// put writes an entry.
func put(t rapid.TB, s engine.State, e engine.Entry) (version uint64, err error) {
	t.Helper()
	call(t, "Put", func(done func()) {
		s.Put(e, func(v uint64, failed error) { version, err = v, failed; done() })
	})
	return version, err
}

// get reads an entry.
func get(t rapid.TB, s engine.State, k engine.Key) (e engine.Entry) {
	t.Helper()
	var err error
	call(t, "Get", func(done func()) {
		s.Get(k, func(got engine.Entry, failed error) { e, err = got, failed; done() })
	})
	if err != nil {
		t.Fatalf("reading %v: %v", k, err)
	}
	return e
}

// remove deletes an entry.
func remove(t rapid.TB, s engine.State, k engine.Key, version uint64) (err error) {
	t.Helper()
	call(t, "Delete", func(done func()) {
		s.Delete(k, version, func(failed error) { err = failed; done() })
	})
	return err
}

// names lists names, with a space between them.
func names(t rapid.TB, s engine.State, table, of, after string, limit int) string {
	t.Helper()
	var all []string
	var err error
	call(t, "List", func(done func()) {
		s.List(table, of, after, limit, func(entries []engine.Entry, failed error) {
			for _, e := range entries {
				all = append(all, e.Name)
			}
			err = failed
			done()
		})
	})
	if err != nil {
		t.Fatalf("listing: %v", err)
	}
	return strings.Join(all, " ")
}

// count counts entries.
func count(t rapid.TB, s engine.State, table, of, after, before string) (n int) {
	t.Helper()
	var err error
	call(t, "CountEntries", func(done func()) {
		s.CountEntries(table, of, after, before, func(got int, failed error) { n, err = got, failed; done() })
	})
	if err != nil {
		t.Fatalf("counting: %v", err)
	}
	return n
}

// told are the calls of a watcher.
type told struct {
	mu    sync.Mutex
	calls []string
}

func (s *told) add(call string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, call)
}

func (s *told) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.calls, " ")
}

// await waits until the watcher was called in this way.
func (s *told) await(t *testing.T, want string) {
	t.Helper()
	eventually(t, func() error {
		if got := s.String(); got != want {
			return fmt.Errorf("the watcher got %q, want %q", got, want)
		}
		return nil
	})
}
