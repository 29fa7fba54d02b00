package room

import (
	"iter"
	"slices"
	"sync"

	"webim/netpoll"
	"webim/room/engine"
	"webim/room/wire"
)

// users knows the sessions that have connected, by their users. A user costs an
// entry of the map, some 60 bytes, and a pointer for each connection; who is
// anonymous is only counted. users.mu is the innermost lock.
type users struct {
	mu        sync.RWMutex
	byName    map[string][]*session
	sessions  int // enrolled, anonymous ones too
	anonymous int // of them
}

// enrolment is what users know of a session: it is enrolled once, and never
// again after it was removed.
type enrolment uint8

const (
	stranger enrolment = iota
	enrolled           // orders reach it
	removed
)

// enrol makes a session one that orders reach, just before its connect reply. A
// token that was revoked, or a user who was banned, while it was connecting is
// found here: that comes before or after, and in either case one sees the other.
func (h *Hub) enrol(s *session) error {
	h.users.add(s)
	who := s.who.Load()
	switch {
	case h.revoked(who):
		return wire.DisconnectInvalidToken
	case h.mayBe(who, addressOf(s.conn), "") != nil:
		return wire.DisconnectBanned
	}
	return nil
}

// revoked reports whether the token of a user is no longer valid.
func (h *Hub) revoked(who *identity) bool {
	return h.cfg.Revoked != nil && who != anonymous && h.cfg.Revoked.Check(who.User, who.ID, who.IssuedAt)
}

func (u *users) add(s *session) {
	name := s.who.Load().User
	u.mu.Lock()
	defer u.mu.Unlock()
	if s.place != stranger {
		return // its connection has ended
	}
	s.place = enrolled
	u.sessions++
	if name == "" {
		u.anonymous++
		return
	}
	u.byName[name] = append(u.byName[name], s)
}

// remove takes a session out, if it is there, for good. O(n) in the user's
// connections.
func (u *users) remove(s *session) {
	name := s.who.Load().User
	u.mu.Lock()
	defer u.mu.Unlock()
	was := s.place
	s.place = removed
	if was != enrolled {
		return
	}
	u.sessions--
	if name == "" {
		u.anonymous--
		return
	}
	left := slices.DeleteFunc(u.byName[name], func(other *session) bool { return other == s })
	if len(left) == 0 {
		delete(u.byName, name)
	} else {
		u.byName[name] = left
	}
}

// of lists a user's sessions; the slice is the caller's.
func (u *users) of(name string) []*session {
	u.mu.RLock()
	defer u.mu.RUnlock()
	return slices.Clone(u.byName[name])
}

// count tells how many sessions there are, how many of them are anonymous, and
// how many different users the others are.
func (u *users) count() (sessions, anonymous, named int) {
	u.mu.RLock()
	defer u.mu.RUnlock()
	return u.sessions, u.anonymous, len(u.byName)
}

// gone tells that a session has been removed.
func (u *users) gone(s *session) bool {
	u.mu.RLock()
	defer u.mu.RUnlock()
	return s.place == removed
}

// all lists the enrolled sessions that pass a test. It walks all connections of
// the server, some 100 ns each: what needs that is rare, and an index would
// cost every idle client.
func (h *Hub) all(test func(*session) bool) (all []*session) {
	for c := range h.server.Conns() {
		if s := sessionOf(c); s != nil && s.hub == h && test(s) {
			all = append(all, s)
		}
	}
	h.users.mu.RLock()
	defer h.users.mu.RUnlock()
	return slices.DeleteFunc(all, func(s *session) bool { return s.place != enrolled })
}

// sessionsIn lists the sessions of a room, those that are joining it too, that pass a
// test; without a room it is all. It walks the room only, so an owner of a room, who
// may be anybody, can make the server do it.
func (h *Hub) sessionsIn(room string, test func(*session) bool) (some []*session) {
	if room == "" {
		return h.all(test)
	}
	for c := range h.conns(room, func(k kind) bool { return k.dialect() != plainDialect }) {
		if s := sessionOf(c); s != nil && test(s) {
			some = append(some, s)
		}
	}
	return some
}

// conns are the connections that are in a room or are joining it, at one moment, of
// those kinds that are selected.
func (h *Hub) conns(room string, selects func(kind) bool) iter.Seq[netpoll.Conn] {
	return func(yield func(netpoll.Conn) bool) {
		r := h.existing(room)
		if r == nil {
			return
		}
		r.mu.Lock()
		ids := r.appendIDsLocked(nil, selects)
		for j := r.joining; j != nil; j = j.next {
			if selects(j.kind) {
				ids = append(ids, j.s.conn.ID())
			}
		}
		r.mu.Unlock()
		for _, id := range ids {
			if c, ok := r.hub.server.Conn(id); ok && !yield(c) {
				return
			}
		}
	}
}

// targets lists the sessions that an order is for.
func (h *Hub) targets(t engine.Target) []*session {
	switch {
	case t.User != "":
		return slices.DeleteFunc(h.users.of(t.User), func(s *session) bool { return !t.Names(s.client()) })
	case t.Client != "" || t.Session != "":
		return h.all(func(s *session) bool { return t.Names(s.client()) })
	}
	return nil
}
