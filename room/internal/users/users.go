package users

import (
	"slices"
	"sync"

	"webim/netpoll"
)

// A Table has the registered sessions. The zero value is ready. Its methods are safe for concurrent use.
type Table struct {
	mu        sync.RWMutex
	byName    map[string][]netpoll.ID
	sessions  int // registered sessions, including anonymous ones
	anonymous int // those without a user
}

// Entry is the state of a session in the one Table that it is ever passed to. The zero value is that of a
// session that is not registered.
type Entry uint8

const (
	registered Entry = iota + 1
	removed
)

// Add registers a session of a user; "" stands for an anonymous one.
func (t *Table) Add(e *Entry, user string, id netpoll.ID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if *e != 0 {
		return // its connection has ended
	}
	*e = registered
	t.sessions++
	if user == "" {
		t.anonymous++
		return
	}
	if t.byName == nil {
		t.byName = map[string][]netpoll.ID{}
	}
	t.byName[user] = append(t.byName[user], id)
}

// Remove removes a session for good. It takes time O(n) in the connections of the user.
func (t *Table) Remove(e *Entry, user string, id netpoll.ID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	was := *e
	*e = removed
	if was != registered {
		return
	}
	t.sessions--
	if user == "" {
		t.anonymous--
		return
	}
	left := slices.DeleteFunc(t.byName[user], func(other netpoll.ID) bool { return other == id })
	if len(left) == 0 {
		delete(t.byName, user)
	} else {
		t.byName[user] = left
	}
}

// Has reports whether a session is registered.
func (t *Table) Has(e *Entry) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return *e == registered
}

// HasEnded reports whether a session was removed.
func (t *Table) HasEnded(e *Entry) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return *e == removed
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
