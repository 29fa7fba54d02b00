package room

import (
	"webim/netpoll"
	"webim/room/wire"
)

// Presence tells who is in a room, on all nodes. The error is a wire.ErrorCode:
// ErrNotAvailable if the room does not offer that, or if more are there than
// Config.MaxPresence: PresenceStats counts them.
func (h *Hub) Presence(room string, done func([]Author, error)) {
	if !h.cfg.options(room).Presence {
		done(nil, wire.ErrNotAvailable)
		return
	}
	h.engine.Members(room, func(all []Author, err error) {
		switch {
		case err != nil:
			done(nil, wire.ErrInternal)
		case len(all) > h.cfg.MaxPresence:
			done(nil, wire.ErrNotAvailable)
		default:
			done(all, nil)
		}
	})
}

// PresenceStats counts the connections in a room, and the users that they are;
// all who are anonymous are one. Errors are as those of Presence.
func (h *Hub) PresenceStats(room string, done func(clients, users int, err error)) {
	if !h.cfg.options(room).Presence {
		done(0, 0, wire.ErrNotAvailable)
		return
	}
	h.engine.Members(room, func(all []Author, err error) {
		if err != nil {
			done(0, 0, wire.ErrInternal)
			return
		}
		users := map[string]bool{}
		for _, a := range all {
			users[a.User] = true
		}
		done(len(all), len(users), nil)
	})
}

// Present implements Subscriber.
func (r *Room) Present() []Author {
	var ids []netpoll.ID
	r.mu.Lock()
	for _, g := range r.groups {
		if g == nil {
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
	r.mu.Unlock()
	all := make([]Author, 0, len(ids))
	for _, id := range ids {
		if c, ok := r.s.Conn(id); ok {
			all = append(all, authorIn(c, r.name))
		}
	}
	return all
}
