package waiting

import (
	"container/list"

	"webim/netpoll/internal/addrs"
)

// client is an address with handshakes that have a slot or wait for one.
type client[H any] struct {
	entry            uint32        // with the address's counts; the key in Slots.clients
	running, waiting list.List     // of *Place, the oldest first
	turn             *list.Element // in Slots.turns; nil: none of them waits
}

// queueLocked puts a handshake at the end of its address's list.
func (s *Slots[H]) queueLocked(p *Place[H], h H, ip uint32) {
	entry := s.Addrs.Counted(ip)
	c := s.clients[entry]
	if c == nil {
		if s.clients == nil {
			s.clients = map[uint32]*client[H]{}
		}
		c = &client[H]{entry: entry}
		s.clients[entry] = c
	}
	*p = Place[H]{handshake: h, client: c, at: c.waiting.PushBack(p), ip: ip}
	s.waits++
	if c.turn == nil {
		c.turn = s.turns.PushBack(c)
	}
}

// unqueueLocked takes a handshake off the list of its address.
func (s *Slots[H]) unqueueLocked(p *Place[H]) {
	c := p.client
	c.waiting.Remove(p.at)
	s.waits--
	if c.waiting.Len() == 0 {
		s.turns.Remove(c.turn)
		c.turn = nil
	}
}

// nextLocked returns the address that gets the next slot; nil if no slot is free for any that waits. At
// most four addresses have used up their share, and these gather at the front.
func (s *Slots[H]) nextLocked() *client[H] {
	if s.busy >= s.Total {
		return nil
	}
	for e := s.turns.Front(); e != nil; e = e.Next() {
		c := e.Value.(*client[H])
		first := c.waiting.Front().Value.(*Place[H])
		if s.Addrs.HasSlot(first.ip, addrs.SlotTLS, s.Total) {
			return c
		}
	}
	return nil
}

// serveLocked gives a slot to the handshake of an address that waits longest, and returns it.
func (s *Slots[H]) serveLocked(c *client[H], now uint32) H {
	p := c.waiting.Front().Value.(*Place[H])
	s.turns.MoveToBack(c.turn)
	s.unqueueLocked(p)
	s.busy++
	s.Addrs.TakeSlot(p.ip, addrs.SlotTLS, s.Total) // nextLocked has seen that it is free
	p.at, p.taken, p.since = c.running.PushBack(p), true, now
	return p.handshake
}

// slowLocked returns the handshake that ends for one that waits; nil if there is none.
func (s *Slots[H]) slowLocked(before uint32) *Place[H] {
	if s.busy < s.Total { // those that wait have used up their share
		for e := s.turns.Front(); e != nil; e = e.Next() {
			if p := s.slowOfLocked(e.Value.(*client[H]), before); p != nil {
				return p
			}
		}
		return nil
	}
	var found *Place[H]
	most := 0
	for _, c := range s.clients {
		if n := c.running.Len(); n > most {
			if p := s.slowOfLocked(c, before); p != nil {
				found, most = p, n
			}
		}
	}
	return found
}

// slowOfLocked returns the handshake of an address that has had its slot longest, at least since a tick,
// among those that wait for their client. It returns nil if there is none.
func (s *Slots[H]) slowOfLocked(c *client[H], before uint32) *Place[H] {
	for e := c.running.Front(); e != nil; e = e.Next() {
		p := e.Value.(*Place[H])
		if int32(before-p.since) < 0 {
			return nil
		}
		if !p.ending && s.Silent(p.handshake) {
			return p
		}
	}
	return nil
}
