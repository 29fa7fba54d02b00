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

// users is the registry of the sessions that have connected, by their users. A user takes about 60
// bytes, and 8 bytes for each connection. Anonymous sessions are only counted.
type users struct {
	mu        sync.RWMutex // innermost
	byName    map[string][]netpoll.ID
	sessions  int // registered sessions, including anonymous ones
	anonymous int // those without a user
}

// registration is the state of a session in the registry. A session is registered at most once, and
// never after it was removed.
type registration uint8

const (
	unregistered registration = iota
	registered                // control messages reach it
	removed
)

// Register makes control messages reach a session, just before its connect reply. The session must
// have its identity. Register returns an error if the session must end, because its token was revoked
// or its user was banned while it was connecting. A revocation or a ban that comes before Register is
// found here; one that comes later finds the session.
func (h *Hub) Register(s Session) error {
	h.users.add(s)
	who := s.state().who.Load()
	switch {
	case h.Revoked(who):
		return wire.DisconnectInvalidToken
	case h.IsBanned(h.SubjectOf(s), ""):
		return wire.DisconnectBanned
	}
	return nil
}

// CountBearer counts a connection without a session that has a token, with 1 when it opens and with -1
// when it ends. While there is none, control messages need not walk the connections for them.
func (h *Hub) CountBearer(by int64) { h.bearers.Add(by) }

// Unregister removes a session from the registry for good, when its connection ends.
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

// remove removes a session for good. It takes time O(n) in the connections of the user.
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

// count returns the number of sessions, the number of anonymous ones, and the number of different
// users of the others.
func (u *users) count() (sessions, anonymous, named int) {
	u.mu.RLock()
	defer u.mu.RUnlock()
	return u.sessions, u.anonymous, len(u.byName)
}

// all lists the registered sessions that pass a test. It walks all connections of the server, about 100
// ns each. It is needed rarely, and an index would cost memory for every idle client.
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

// sessionsIn lists the sessions that are in a room, or are joining it, and that pass a test; without a
// room it is all. It walks only the room, because every user may own rooms and cause such walks.
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

// conns returns the connections of the selected kinds that are in a room, or are joining it, at one
// moment.
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

// targets lists the sessions that a control message is for.
func (h *Hub) targets(t engine.Target) []Session {
	switch {
	case t.User != "":
		return slices.DeleteFunc(h.sessionsOf(t.User), func(s Session) bool { return !t.Names(s.ClientID()) })
	case t.Client != "" || t.Session != "":
		return h.all(func(s Session) bool { return t.Names(s.ClientID()) })
	}
	return nil
}
