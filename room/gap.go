package room

import (
	"slices"

	"webim/netpoll"
	"webim/room/wire"
)

// A gap is what the engine lost on its way to a node: it began anew (see
// Engine), or a publication does not name the one before it. Whoever relies on
// a place in the room is told before anything from behind the gap: a client
// that subscribed, to subscribe again (2500); one whom the server joined, to
// connect again (3010). Both recover what they missed, or learn that they
// cannot.

// lostLocked ends the memberships that rely on a place. Room.mu is held.
func (r *Room) lostLocked() {
	for j := r.joining; j != nil; j = j.next {
		if j.told {
			j.err = wire.ErrInternal // seatJoining disconnects it
		}
	}
	r.activateLocked()
	for k, g := range r.groups {
		if g == nil || kind(k).dialect() == plainDialect {
			continue
		}
		for i, sh := range g.shards {
			for place, p := range sh.places {
				if p.id != 0 {
					r.loseLocked(p.id, kind(k), seatOf(i, place))
				}
			}
		}
	}
	r.tellLostLocked()
}

// loseLocked ends one membership, if it relies on a place.
func (r *Room) loseLocked(id netpoll.ID, k kind, at seat) {
	c, ok := r.hub.server.Conn(id)
	s := sessionOf(c)
	if !ok || s == nil {
		return
	}
	s.mu.Lock()
	i := s.find(r.name)
	if i < 0 || !s.subs[i].placed || s.subs[i].joining != nil {
		s.mu.Unlock()
		return
	}
	one := s.takeLocked(i)
	s.mu.Unlock()
	if r.leaveLocked(Member{r, c, k, at}) {
		r.hub.soon(func() { r.hub.vacated(r) })
	}
	if one.server {
		s.disconnect(wire.DisconnectInsufficientState)
		return
	}
	r.lost = append(r.lost, s)
}

// tellLostLocked tells those of whom no sweep has a batch in hand any more: the
// last of that would come behind.
func (r *Room) tellLostLocked() {
	r.lost = slices.DeleteFunc(r.lost, func(s *session) bool {
		if r.leaving[s.conn.ID()] != nil {
			return false
		}
		s.tell(wire.UnsubscribeInsufficientState.Push(r.name))
		return true
	})
	if len(r.lost) == 0 {
		r.lost = nil
	}
}
