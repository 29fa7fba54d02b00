package room

import (
	"errors"
	"iter"

	"webim/netpoll"
	"webim/room/engine"
	"webim/room/identity"
	"webim/room/internal/encode"
	"webim/room/wire"
)

// Presence lists the members of a room on all nodes. The error is a wire.ErrorCode:
// ErrNotAvailable if the room has no presence, or if there are more members than
// Config.MaxPresence. PresenceStats counts them.
func (h *Hub) Presence(room string, done func([]engine.Author, error)) {
	if !h.Options(room).Presence {
		done(nil, wire.ErrNotAvailable)
		return
	}
	h.engine.Members(room, h.Config().MaxPresence, func(all []engine.Author, err error) {
		switch {
		case errors.Is(err, engine.ErrTooManyMembers):
			err = wire.ErrNotAvailable
		case err != nil:
			err = wire.Internal(err)
		}
		done(all, err)
	})
}

// PresenceStats counts the connections in a room and their users; all anonymous connections are
// one user. The errors are those of Presence.
func (h *Hub) PresenceStats(room string, done func(clients, users int, err error)) {
	if !h.Options(room).Presence {
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

// Members implements engine.Subscriber. It counts first, so a list that is too long is never
// made.
func (r *Room) Members(limit int) (all []engine.Author, clients int) {
	r.mu.Lock()
	r.markPresenceShownLocked()
	if clients = r.slotsInUseLocked(); clients > limit {
		r.mu.Unlock()
		return nil, clients
	}
	ids := r.appendIDsLocked(make([]netpoll.ID, 0, clients), anyKind)
	r.mu.Unlock()
	all = make([]engine.Author, 0, len(ids))
	for _, id := range ids {
		if c, ok := r.hub.server.Conn(id); ok {
			all = append(all, identity.AuthorOf(c, r.name))
		}
	}
	return all, len(all)
}

// conns returns the connections that are in a room, or are joining it, at one moment: those of the plain
// dialect, or all others.
func (h *Hub) conns(room string, plain bool) iter.Seq[netpoll.Conn] {
	selects := func(k Kind) bool { return (k.dialect() == encode.Plain) == plain }
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

// Count implements engine.Subscriber.
func (r *Room) Count(named func(user string)) (clients, users int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.activateLocked()
	r.markPresenceShownLocked()
	n := &r.presence
	if !n.started {
		n.started, n.byUser = true, map[string]int32{}
		for _, id := range r.appendIDsLocked(nil, anyKind) {
			c, _ := r.hub.server.Conn(id) // it exists until its slot is released
			r.countUserLocked(c, 1)
		}
	}
	clients, users = r.slotsInUseLocked(), len(n.byUser)
	if clients > n.named {
		users++ // all anonymous members
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
