package keys

import (
	"slices"
	"testing"
	"time"

	"webim/room/engine/jetstream/internal/retire"
	"webim/room/engine/jetstream/natstest"
)

// recordOf is the record of a key with this id.
func recordOf(id byte) []byte { return slices.Repeat([]byte{id}, 40) }

func idOf(id byte) (n uint64) {
	for range 8 {
		n = n<<8 | uint64(id)
	}
	return n
}

// TestRestore restores keys of backups, of users of each kind of name, who have got other keys since. Each key is found by its
// id, also by a node that starts later; it is in a keys file, can be removed as the others when no text needs it, and goes when
// the user is erased.
func TestRestore(t *testing.T) {
	nc := natstest.Connect(t, natstest.Start(t, t.TempDir()))
	s := open(t, nc, Config{})
	by := func(s *Store, user string, id byte) []byte {
		t.Helper()
		c := make(chan answer, 1)
		s.Get(user, idOf(id), true, func(record []byte, own bool, err error) {
			if own != slices.Equal(record, recordOf(1)) && record != nil {
				t.Errorf("%q: the key %d is the user's own: %v", user, id, own)
			}
			c <- answer{record: record, err: err}
		})
		a := receive(t, c)
		if a.err != nil {
			t.Error(a.err)
		}
		return a.record
	}
	restore := func(user string, id byte, want bool) {
		t.Helper()
		if added, err := s.Restore(t.Context(), user, recordOf(id)); added != want || err != nil {
			t.Errorf("%q: the key %d was added: %v, %v", user, id, added, err)
		}
	}
	for _, user := range users {
		restore(user, 1, true)
		restore(user, 1, false)
		restore(user, 2, true)
		restore(user, 3, true)
		for id := range byte(3) {
			restore(user, id+1, false)
		}
	}
	if _, err := s.Restore(t.Context(), "ann", []byte("no key")); err == nil {
		t.Error("a damaged key is restored")
	}
	lists := func(user string) (ids []byte) {
		t.Helper()
		if err := s.Each(t.Context(), func(is string, record []byte) error {
			if is == user {
				ids = append(ids, record[0])
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
		return ids
	}
	for _, s := range []*Store{s, open(t, nc, Config{})} {
		for _, user := range users {
			for id := range byte(3) {
				if got := by(s, user, id+1); !slices.Equal(got, recordOf(id+1)) {
					t.Errorf("%q: the key %d is %x", user, id+1, got)
				}
			}
			if got := by(s, user, 9); !slices.Equal(got, recordOf(1)) {
				t.Errorf("%q: a key that is not there: %x", user, got)
			}
			if got := get(t, s, user); !slices.Equal(got.record, recordOf(1)) {
				t.Errorf("%q: the own key is %x", user, got.record)
			}
			if got := lists(user); !slices.Equal(got, []byte{1, 2, 3}) {
				t.Errorf("%q: the keys are %v", user, got)
			}
		}
	}
	all, err := s.List(t.Context(), func(time.Duration) error { return nil })
	if err != nil || len(all) != 3*len(users) {
		t.Errorf("%d keys, %v", len(all), err)
	}
	second := all[slices.IndexFunc(all, func(k retire.Ref) bool { return k.ID == idOf(2) })]
	if removed, err := s.Remove(t.Context(), second); !removed || err != nil {
		t.Error(removed, err)
	}
	restore(users[0], 3, false) // it is behind a hole
	restore(users[0], 4, true)  // in the hole
	id := make(chan error, 1)
	s.DeleteID(users[1], idOf(3), func(err error) { id <- err })
	if err := <-id; err != nil || !slices.Equal(lists(users[1]), []byte{1, 2}) {
		t.Errorf("the third key was deleted: %v, left %v", err, lists(users[1]))
	}
	s.Delete(users[0], func(err error) { id <- err })
	if err := <-id; err != nil || lists(users[0]) != nil {
		t.Errorf("all keys were deleted: %v, left %v", err, lists(users[0]))
	}
	if got := by(s, users[0], 3); got != nil {
		t.Errorf("a deleted key is there: %x", got)
	}
	if got := lists(users[2]); len(got) != 3 {
		t.Errorf("another user has the keys %v", got)
	}
}
