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
	for j := r.pending; j != nil; j = j.next {
		if j.replied {
			j.err = wire.ErrInternal // the session then ends the connection
		}
	}
	r.activateLocked()
	for k, g := range r.groups {
		if g == nil || Kind(k).dialect() == plainDialect {
			continue
		}
		for i, sh := range g.shards {
			for place, p := range sh.places {
				if p.id != 0 {
					r.loseLocked(p.id, Kind(k), slotOf(i, place))
				}
			}
		}
	}
	r.tellLostLocked()
}

// loseLocked ends one membership, if it relies on a place.
func (r *Room) loseLocked(id netpoll.ID, k Kind, at Slot) {
	c, ok := r.hub.server.Conn(id)
	s := sessionOf(c)
	if !ok || s == nil {
		return
	}
	lost, told := s.Lose(r.name)
	if !lost {
		return
	}
	if r.leaveLocked(Member{r, c, k, at}) {
		r.hub.Post(func() { r.hub.vacated(r) })
	}
	if told {
		r.lost = append(r.lost, s)
	}
}

// tellLostLocked tells those of whom no sweep has a batch in hand any more: the
// last of that would come behind.
func (r *Room) tellLostLocked() {
	r.lost = slices.DeleteFunc(r.lost, func(s Session) bool {
		if r.leaving[s.Conn().ID()] != nil {
			return false
		}
		s.TellLost(r.name)
		return true
	})
	if len(r.lost) == 0 {
		r.lost = nil
	}
}
