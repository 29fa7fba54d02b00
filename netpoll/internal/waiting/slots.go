package waiting

import (
	"container/list"
	"sync"

	"webim/netpoll/internal/addrs"
)

// Slots shares the slots for TLS handshakes: Total in all, a quarter of them for one address. crypto/tls
// cannot leave a handshake and come back, so a handshake keeps its slot, with a goroutine, while the
// server waits for the client.
//
// The rule: clients that do not answer keep nobody waiting for long. Free slots go to the waiting
// addresses in turns. If no slot is free for a handshake that waits, one ends that has had its slot for
// some time and waits for its client: one of the address with the most slots, or of the same address if
// that has its share.
//
// H is a handshake. The fields are set before the first use; SetTotal changes Total later. All methods are safe for concurrent use.
type Slots[H any] struct {
	Total  int          // slots in all
	Addrs  *addrs.Table // counts the slots of each address
	Silent func(H) bool // reports whether a handshake that has a slot waits for its client

	mu      sync.Mutex
	busy    int // handshakes that have a slot
	ending  int // of these, the ones that end for another connection
	waits   int // handshakes that wait for a slot
	clients map[uint32]*client[H]
	turns   list.List // of *client that wait, the next one first
}

// Place is the part of a handshake that Slots guards. The zero value neither has a slot nor waits for one.
type Place[H any] struct {
	handshake H
	client    *client[H]    // nil: it neither has a slot nor waits for one
	at        *list.Element // in the client's running or waiting
	taken     bool          // it has a slot
	ending    bool          // it ends for another connection
	ip        uint32        // the entry whose slot it has, or will have
	since     uint32        // with taken: the tick
}

// SetTotal changes the number of slots. If handshakes have more, they keep them. The caller calls Assign
// then, because there may be free ones.
func (s *Slots[H]) SetTotal(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Total = n
}

// Enter puts a handshake on the list of those that wait for a slot, unless it has one or waits already.
// ip is the entry of its address.
func (s *Slots[H]) Enter(p *Place[H], h H, ip uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.client == nil {
		s.queueLocked(p, h, ip)
	}
}

// Taken reports whether a handshake has a slot.
func (s *Slots[H]) Taken(p *Place[H]) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return p.taken
}

// Leave gives back the slot of a handshake, or takes it off the list.
func (s *Slots[H]) Leave(p *Place[H]) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := p.client
	if c == nil {
		return
	}
	if p.taken {
		s.busy--
		if p.ending {
			s.ending--
		}
		c.running.Remove(p.at)
		s.Addrs.GiveSlotBack(p.ip, addrs.SlotTLS)
	} else {
		s.unqueueLocked(p)
	}
	if c.running.Len()+c.waiting.Len() == 0 {
		delete(s.clients, c.entry)
	}
	*p = Place[H]{}
}

// Assign gives free slots to handshakes that wait, and returns those. For the others that wait, slow are
// as many handshakes that the caller must end, of those that have had their slots since the tick before
// or earlier. now is the present tick.
func (s *Slots[H]) Assign(now, before uint32) (served, slow []H) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := s.nextLocked(); c != nil; c = s.nextLocked() {
		served = append(served, s.serveLocked(c, now))
	}
	for s.ending < s.waits {
		p := s.slowLocked(before)
		if p == nil {
			break
		}
		p.ending = true
		s.ending++
		slow = append(slow, p.handshake)
	}
	return served, slow
}

// Len returns the number of handshakes that have a slot, and of those that wait for one.
func (s *Slots[H]) Len() (busy, waits int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.busy, s.waits
}
