package room

import (
	"slices"

	"webim/netpoll"
	"webim/room/internal/encode"
	"webim/room/wire"
)

// A gap is a loss of publications between the engine and a node. The engine calls Begin once
// more, or a publication does not name the one before it as its predecessor. Each client that
// knows its position in the room is told of the gap before it gets a message from behind it. If
// the client subscribed, it is told to subscribe again (2500). If the server joined it, it is
// told to connect again (3010). Then it recovers the publications that it missed, or learns that
// it cannot.

// handleGapLocked ends the memberships of clients that know their position. Room.mu is held.
func (r *Room) handleGapLocked() {
	for j := r.pending; j != nil; j = j.next {
		if j.replied {
			j.err = wire.ErrInternal // the session then closes the connection
		}
	}
	r.activateLocked()
	for k, g := range r.groups {
		if g == nil || Kind(k).dialect() == encode.Plain {
			continue
		}
		for i, sh := range g.shards {
			for index, p := range sh.slots {
				if p.id != 0 {
					r.loseMemberLocked(p.id, Kind(k), slotOf(i, index))
				}
			}
		}
	}
	r.notifyLostLocked()
}

// loseMemberLocked ends one membership, if its client knows its position.
func (r *Room) loseMemberLocked(id netpoll.ID, k Kind, at Slot) {
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
		r.hub.Post(func() { r.hub.endIfEmpty(r) })
	}
	if told {
		r.lost = append(r.lost, s)
	}
}

// notifyLostLocked tells the clients of the gap that are in no current batch. For the others it
// would come before messages of the batch, which come from before the gap.
func (r *Room) notifyLostLocked() {
	r.lost = slices.DeleteFunc(r.lost, func(s Session) bool {
		if r.leftInBatch[s.Conn().ID()] != nil {
			return false
		}
		s.TellLost(r.name)
		return true
	})
	if len(r.lost) == 0 {
		r.lost = nil
	}
}
