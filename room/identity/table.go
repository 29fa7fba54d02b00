package identity

import (
	"slices"
	"sync"

	"webim/netpoll"
)

// A Table has the sessions that have connected, by user. A user takes about 60 bytes, and 8 bytes for each
// connection; anonymous sessions are only counted. The zero value is ready. Its methods are safe for
// concurrent use. A session must not be passed to two Tables.
type Table struct {
	mu        sync.RWMutex
	byName    map[string][]netpoll.ID
	sessions  int // all that are in the table, including anonymous ones
	anonymous int // those without a user
}

// mark says whether a session is in the Table; 0: it has not been there.
type mark uint8

const (
	registered mark = iota + 1
	removed
)

// Add registers a session, which must have its identity. If it was removed before, Add does nothing.
func (t *Table) Add(s Session) {
	user, m := s.Identity().User, &s.state().mark
	t.mu.Lock()
	defer t.mu.Unlock()
	if *m != 0 {
		return // its connection has ended
	}
	*m = registered
	t.sessions++
	if user == "" {
		t.anonymous++
		return
	}
	if t.byName == nil {
		t.byName = map[string][]netpoll.ID{}
	}
	t.byName[user] = append(t.byName[user], s.Conn().ID())
}

// Remove removes a session for good. It takes time O(n) in the connections of the user.
func (t *Table) Remove(s Session) {
	user, m := s.Identity().User, &s.state().mark
	t.mu.Lock()
	defer t.mu.Unlock()
	was := *m
	*m = removed
	if was != registered {
		return
	}
	t.sessions--
	if user == "" {
		t.anonymous--
		return
	}
	left := slices.DeleteFunc(t.byName[user], func(other netpoll.ID) bool { return other == s.Conn().ID() })
	if len(left) == 0 {
		delete(t.byName, user)
	} else {
		t.byName[user] = left
	}
}

// Has reports whether a session is registered.
func (t *Table) Has(s Session) bool { return t.markOf(s) == registered }

// HasEnded reports whether a session was removed.
func (t *Table) HasEnded(s Session) bool { return t.markOf(s) == removed }

func (t *Table) markOf(s Session) mark {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return s.state().mark
}

// Of lists the registered connections of a user.
func (t *Table) Of(user string) []netpoll.ID {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return slices.Clone(t.byName[user])
}

// Count returns the number of sessions, the number of anonymous ones, and the number of different users
// of the others.
func (t *Table) Count() (sessions, anonymous, named int) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.sessions, t.anonymous, len(t.byName)
}
