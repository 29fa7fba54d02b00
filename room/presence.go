package room

import (
	"sync"

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
			done(nil, wire.Internal(err))
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
	h.engine.Count(room, func(clients, users int, err error) {
		if err != nil {
			err = wire.Internal(err)
		}
		done(clients, users, err)
	})
}

// Present implements Subscriber.
func (r *Room) Present() []Author {
	ids := r.appendIDs(nil)
	all := make([]Author, 0, len(ids))
	for _, id := range ids {
		if c, ok := r.s.Conn(id); ok {
			all = append(all, authorIn(c, r.name))
		}
	}
	return all
}

// appendIDs adds the connections that are in the room at one moment.
func (r *Room) appendIDs(ids []netpoll.ID) []netpoll.ID {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.appendIDsLocked(ids)
}

func (r *Room) appendIDsLocked(ids []netpoll.ID) []netpoll.ID {
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
	return ids
}

// tally counts members. To keep the users of each room would cost every member
// memory for a question that few ask; so the members are walked, some 50 ns each,
// once after any of them came or went, and nothing is allocated. The connections of
// a user share an account, which is marked when the first is met.
type tally struct {
	mu        sync.Mutex // a walk's marks are its own; taken before Room.mu
	walk      uint64
	anonymous account   // of all who have none
	lists     sync.Pool // of *[]netpoll.ID
}

// crowd is what was counted last in a room, and Room.changes then.
type crowd struct {
	at             uint64
	clients, users int
}

// Count implements Subscriber.
func (r *Room) Count(named func(user string)) (clients, users int) {
	t := &r.hub.tally
	t.mu.Lock()
	defer t.mu.Unlock()
	ids, _ := t.lists.Get().(*[]netpoll.ID)
	if ids == nil {
		ids = new([]netpoll.ID)
	}
	defer t.lists.Put(ids)
	r.mu.Lock()
	now := crowd{at: r.changes}
	if now.at == r.crowd.at && named == nil {
		r.mu.Unlock()
		return r.crowd.clients, r.crowd.users
	}
	*ids = r.appendIDsLocked((*ids)[:0])
	r.mu.Unlock()
	t.walk++
	for _, id := range *ids {
		c, _ := r.s.Conn(id)
		user, of, ok := standing(c)
		if !ok {
			continue
		}
		now.clients++
		if of == nil {
			of = &t.anonymous
		}
		if of.walk == t.walk {
			continue
		}
		of.walk = t.walk
		now.users++
		if named != nil {
			named(user)
		}
	}
	r.crowd = now
	return now.clients, now.users
}

// standing is who a member is, and the account of its user; false if it is about to
// leave, for its connection has ended.
func standing(c netpoll.Conn) (user string, of *account, ok bool) {
	switch d := c.Data().(type) {
	case *session:
		user, of = d.who.Load().User, d.quota.account.Load()
	case *plainConn:
		user, of = d.who.User, d.quota.account.Load()
	}
	return user, of, c.Exists() && (user == "" || of != nil)
}
