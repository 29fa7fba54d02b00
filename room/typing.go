package room

import (
	"github.com/centrifugal/protocol"

	"webim/netpoll"
	"webim/room/wire"
)

// maxTyping is the most members of a room on a node that are told who types.
// That is a write for each: it does not go through the room's log, for what is
// in there cannot be left out for one member.
const maxTyping = 200

// TypingTag is the event tag of a push that tells that its author is about to say
// something. It has no offset and is not remembered.
const TypingTag = "typing"

// typing tells the other members that somebody types: those whose sockets take
// all that they are sent. It is the first thing that a slow one goes without.
func (r *Room) typing(n Notice) {
	ids, ok := r.talkers()
	if !ok {
		return
	}
	pub := &protocol.Publication{Data: []byte("{}"), Info: n.Who.info(), Tags: map[string]string{"event": TypingTag}}
	var frames [numDialects]*netpoll.Frame
	for _, id := range ids {
		c, ok := r.s.Conn(id)
		s := sessionOf(c)
		if !ok || s == nil || s.client() == n.Who.Client {
			continue
		}
		if info, ok := c.Info(); !ok || info.Queued > 0 {
			continue
		}
		d := dialectOf(s.enc)
		if frames[d] == nil {
			b, err := wire.AppendPublication(nil, s.enc, r.name, pub)
			if err != nil {
				return
			}
			e := framed(d, b)
			if frames[d], err = netpoll.NewFrame(e.op, e.data); err != nil {
				return
			}
		}
		_ = c.PushFrame(frames[d])
	}
}

// talkers are the connections of the room's members in the centrifuge dialect;
// false: they are too many to be told.
func (r *Room) talkers() (ids []netpoll.ID, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.members > maxTyping {
		return nil, false
	}
	for k, g := range r.groups {
		if g == nil || kind(k).dialect() == plainDialect {
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
	return ids, true
}
