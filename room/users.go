package room

import (
	"iter"
	"slices"

	"webim/netpoll"
	"webim/room/engine"
	"webim/room/internal/encode"
	"webim/room/wire"
)

// Register makes control messages reach a session, just before its connect reply. The session must
// have its identity. Register returns an error if the session must end, because its token was revoked
// or its user was banned while it was connecting. A revocation or a ban that comes before Register is
// found here; one that comes later finds the session.
func (h *Hub) Register(s Session) error {
	who := s.Identity()
	h.users.Add(&s.state().entry, who.User, s.Conn().ID())
	switch {
	case h.judge.Revoked(who):
		return wire.DisconnectInvalidToken
	case h.judge.IsBanned(h.judge.SubjectOf(s), ""):
		return wire.DisconnectBanned
	}
	return nil
}

// CountBearer counts a connection without a session that has a token, with 1 when it opens and with -1
// when it ends. While there is none, control messages need not walk the connections for them.
func (h *Hub) CountBearer(by int64) { h.bearers.Add(by) }

// Unregister removes a session from the registry for good, when its connection ends.
func (h *Hub) Unregister(s Session) {
	h.users.Remove(&s.state().entry, s.Identity().User, s.Conn().ID())
}

// HasEnded reports whether Unregister was called.
func (h *Hub) HasEnded(s Session) bool { return h.users.HasEnded(&s.state().entry) }

// sessionsOf lists the registered sessions of a user.
func (h *Hub) sessionsOf(user string) (all []Session) {
	for _, id := range h.users.Of(user) {
		if c, ok := h.server.Conn(id); ok {
			if s := SessionOf(c); s != nil {
				all = append(all, s)
			}
		}
	}
	return all
}

// all lists the registered sessions that pass a test. It walks all connections of the server, about 100
// ns each. It is needed rarely, and an index would cost memory for every idle client.
func (h *Hub) all(test func(Session) bool) (all []Session) {
	for c := range h.server.Conns() {
		if s := SessionOf(c); s != nil && s.Hub() == h && h.users.Has(&s.state().entry) && test(s) {
			all = append(all, s)
		}
	}
	return all
}

// sessionsIn lists the sessions that are in a room, or are joining it, and that pass a test; without a
// room it is all. It walks only the room, because every user may own rooms and cause such walks.
func (h *Hub) sessionsIn(room string, test func(Session) bool) (some []Session) {
	if room == "" {
		return h.all(test)
	}
	for c := range h.conns(room, func(k Kind) bool { return k.dialect() != encode.Plain }) {
		if s := SessionOf(c); s != nil && test(s) {
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
