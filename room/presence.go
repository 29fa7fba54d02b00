package room

import (
	"errors"

	"webim/netpoll"
	"webim/room/engine"
	"webim/room/wire"
)

// Presence tells who is in a room, on all nodes. The error is a wire.ErrorCode:
// ErrNotAvailable if the room does not offer that, or if more are there than
// Config.MaxPresence: PresenceStats counts them.
func (h *Hub) Presence(room string, done func([]engine.Author, error)) {
	if !h.cfg.options(room).Presence {
		done(nil, wire.ErrNotAvailable)
		return
	}
	h.engine.Members(room, h.cfg.MaxPresence, func(all []engine.Author, err error) {
		switch {
		case errors.Is(err, engine.ErrTooManyMembers):
			err = wire.ErrNotAvailable
		case err != nil:
			err = wire.Internal(err)
		}
		done(all, err)
	})
}

// PresenceStats counts the connections in a room, and the users that they are;
// all who are anonymous are one. Errors are as those of Presence.
func (h *Hub) PresenceStats(room string, done func(clients, users int, err error)) {
	if !h.cfg.options(room).Presence {
		done(0, 0, wire.ErrNotAvailable)
		return
	}
	h.engine.Count(room, func(clients, users int, err error) {
		if err != nil {
			err = wire.Internal(err)
		}
		done(clients, users, err)
	})
}

// Members implements engine.Subscriber: it counts first, so a list that is too long is never
// made.
func (r *Room) Members(limit int) (all []engine.Author, clients int) {
	r.mu.Lock()
	r.presentedLocked()
	if clients = r.seatedLocked(); clients > limit {
		r.mu.Unlock()
		return nil, clients
	}
	ids := r.appendIDsLocked(make([]netpoll.ID, 0, clients), anyKind)
	r.mu.Unlock()
	all = make([]engine.Author, 0, len(ids))
	for _, id := range ids {
		if c, ok := r.hub.server.Conn(id); ok {
			all = append(all, authorIn(c, r.name))
		}
	}
	return all, len(all)
}

// anyKind selects the members of all kinds.
func anyKind(Kind) bool { return true }

// appendIDsLocked adds the connections of the members of some kinds. Room.mu is held.
func (r *Room) appendIDsLocked(ids []netpoll.ID, selects func(Kind) bool) []netpoll.ID {
	if r.active == nil {
		for _, one := range r.idle {
			if selects(one.kind) {
				ids = append(ids, one.id)
			}
		}
		return ids
	}
	for k, g := range r.groups {
		if g == nil || !selects(Kind(k)) {
			continue
		}
		for _, sh := range g.shards {
			for _, p := range sh.places {
				if p.id != 0 {
					ids = append(ids, p.id)
				}
			}
		}
	}
	return ids
}

// seatsLocked counts the members of some kinds that have a seat. Room.mu is held.
func (r *Room) seatsLocked(selects func(Kind) bool) (n int) {
	if r.active == nil {
		for _, one := range r.idle {
			if selects(one.kind) {
				n++
			}
		}
		return n
	}
	for k, g := range r.groups {
		if g != nil && selects(Kind(k)) {
			n += g.members
		}
	}
	return n
}

// seatedLocked counts the members that have a seat. Room.mu is held.
func (r *Room) seatedLocked() int { return r.seatsLocked(anyKind) }

// A presenceCount says how many of a room's members each named user is. Most
// rooms are never asked, and then nobody pays for it. The first question makes it, in
// one walk of the room of some 50 ns a member; from then on each member that comes or
// goes changes it, and a question costs nothing. It takes some 60 bytes a user, for as
// long as the room is active. Guarded by Room.mu.
type presenceCount struct {
	asked  bool
	byUser map[string]int32
	named  int // members that have a user
}

// countLocked adds a member to the presence count, or, with -1, takes it out.
func (r *Room) countLocked(c netpoll.Conn, by int32) {
	if r.active == nil {
		return
	}
	n := &r.present
	if !n.asked {
		return
	}
	user := userOf(c)
	if user == "" {
		return
	}
	n.named += int(by)
	if left := n.byUser[user] + by; left > 0 {
		n.byUser[user] = left
	} else {
		delete(n.byUser, user)
	}
}

// userOf is the user of a member. It stays the same from the member's Slot to its end.
func userOf(c netpoll.Conn) string {
	if p := principalOf(c); p != nil {
		return p.who.Load().User
	}
	return ""
}

// Count implements engine.Subscriber.
func (r *Room) Count(named func(user string)) (clients, users int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.activateLocked()
	r.presentedLocked()
	n := &r.present
	if !n.asked {
		n.asked, n.byUser = true, map[string]int32{}
		for _, id := range r.appendIDsLocked(nil, anyKind) {
			c, _ := r.hub.server.Conn(id) // it exists until its seat is given back
			r.countLocked(c, 1)
		}
	}
	clients, users = r.seatedLocked(), len(n.byUser)
	if clients > n.named {
		users++ // all who are anonymous
	}
	if named == nil {
		return clients, users
	}
	for user := range n.byUser {
		named(user)
	}
	if clients > n.named {
		named("")
	}
	return clients, users
}
