package room

import (
	"iter"
	"slices"
	"sync"

	"webim/netpoll"
	"webim/room/engine"
	"webim/room/internal/encode"
	"webim/room/token"
	"webim/room/wire"
)

// users is the registry of the sessions that have connected, by their users. A user costs
// an entry of the map, some 60 bytes, and 8 bytes for each connection; anonymous sessions
// are only counted. users.mu is the innermost lock.
type users struct {
	mu        sync.RWMutex
	byName    map[string][]netpoll.ID
	sessions  int // registered, anonymous ones too
	anonymous int // of them
}

// registration is the state of a session in the registry: it is registered once, and never
// again after it was removed.
type registration uint8

const (
	unregistered registration = iota
	registered                // orders reach it
	removed
)

// Register makes a session one that orders reach, just before its connect reply. Its
// Identity has the user. The error is nil, or says why the session has to end: its token
// was revoked, or its user banned, while it was connecting. A revocation or a ban comes
// before Register or after it, and in either case one of the two sees the other.
func (h *Hub) Register(s Session) error {
	h.users.add(s)
	who := s.state().who.Load()
	switch {
	case h.Revoked(who):
		return wire.DisconnectInvalidToken
	case h.CheckBan(who, AddressOf(s.Conn()), "") != nil:
		return wire.DisconnectBanned
	}
	return nil
}

// CountBearer counts, with 1, a connection without a session that came with a token, and
// with -1 its end. While there is none, no order has to walk the connections for them.
func (h *Hub) CountBearer(by int64) { h.bearers.Add(by) }

// Unregister takes a session out of the registry for good, when its connection ends.
func (h *Hub) Unregister(s Session) { h.users.remove(s) }

// HasEnded reports whether Unregister was called.
func (h *Hub) HasEnded(s Session) bool {
	h.users.mu.RLock()
	defer h.users.mu.RUnlock()
	return s.state().registry == removed
}

// Revoked reports whether the token of an identity is no longer valid.
func (h *Hub) Revoked(who *token.Identity) bool {
	return h.cfg.Revoked != nil && who != Anonymous && h.cfg.Revoked.Check(who.User, who.ID, who.IssuedAt)
}

func (u *users) add(s Session) {
	p := s.state()
	name := p.who.Load().User
	u.mu.Lock()
	defer u.mu.Unlock()
	if p.registry != unregistered {
		return // its connection has ended
	}
	p.registry = registered
	u.sessions++
	if name == "" {
		u.anonymous++
		return
	}
	u.byName[name] = append(u.byName[name], s.Conn().ID())
}

// remove takes a session out, if it is there, for good. O(n) in the user's
// connections.
func (u *users) remove(s Session) {
	p, id := s.state(), s.Conn().ID()
	name := p.who.Load().User
	u.mu.Lock()
	defer u.mu.Unlock()
	was := p.registry
	p.registry = removed
	if was != registered {
		return
	}
	u.sessions--
	if name == "" {
		u.anonymous--
		return
	}
	left := slices.DeleteFunc(u.byName[name], func(other netpoll.ID) bool { return other == id })
	if len(left) == 0 {
		delete(u.byName, name)
	} else {
		u.byName[name] = left
	}
}

// sessionsOf lists the registered sessions of a user.
func (h *Hub) sessionsOf(user string) (all []Session) {
	h.users.mu.RLock()
	ids := slices.Clone(h.users.byName[user])
	h.users.mu.RUnlock()
	for _, id := range ids {
		if c, ok := h.server.Conn(id); ok {
			if s := sessionOf(c); s != nil {
				all = append(all, s)
			}
		}
	}
	return all
}

// count tells how many sessions there are, how many of them are anonymous, and
// how many different users the others are.
func (u *users) count() (sessions, anonymous, named int) {
	u.mu.RLock()
	defer u.mu.RUnlock()
	return u.sessions, u.anonymous, len(u.byName)
}

// all lists the registered sessions that pass a test. It walks all connections of
// the server, some 100 ns each: what needs that is rare, and an index would
// cost every idle client.
func (h *Hub) all(test func(Session) bool) (all []Session) {
	for c := range h.server.Conns() {
		if s := sessionOf(c); s != nil && s.Hub() == h && test(s) {
			all = append(all, s)
		}
	}
	h.users.mu.RLock()
	defer h.users.mu.RUnlock()
	return slices.DeleteFunc(all, func(s Session) bool { return s.state().registry != registered })
}

// sessionsIn lists the sessions of a room, those that are joining it too, that pass a
// test; without a room it is all. It walks the room only, so an owner of a room, who
// may be anybody, can make the server do it.
func (h *Hub) sessionsIn(room string, test func(Session) bool) (some []Session) {
	if room == "" {
		return h.all(test)
	}
	for c := range h.conns(room, func(k Kind) bool { return k.dialect() != encode.Plain }) {
		if s := sessionOf(c); s != nil && test(s) {
			some = append(some, s)
		}
	}
	return some
}

// conns are the connections that are in a room or are joining it, at one moment, of
// those kinds that are selected.
func (h *Hub) conns(room string, selects func(Kind) bool) iter.Seq[netpoll.Conn] {
	return func(yield func(netpoll.Conn) bool) {
		r := h.existing(room)
		if r == nil {
			return
		}
		r.mu.Lock()
		ids := r.appendIDsLocked(nil, selects)
		for j := r.pending; j != nil; j = j.next {
			if selects(j.Kind) {
				ids = append(ids, j.Conn.ID())
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
func (h *Hub) targets(t engine.Target) []Session {
	switch {
	case t.User != "":
		return slices.DeleteFunc(h.sessionsOf(t.User), func(s Session) bool { return !t.Names(s.ClientID()) })
	case t.Client != "" || t.Session != "":
		return h.all(func(s Session) bool { return t.Names(s.ClientID()) })
	}
	return nil
}
