package netpoll

import (
	"container/list"
	"sync"

	"webim/netpoll/internal/addrs"
)

// tlsSlots shares the slots for TLS handshakes: Config.MaxTLSHandshakes in all, a quarter of them for
// one address. crypto/tls cannot leave a handshake and come back, so a handshake keeps its slot, with
// a goroutine, while the server waits for the client.
//
// The rule: clients that do not answer keep nobody waiting for long. Free slots go to the waiting
// addresses in turns. If no slot is free for a connection that waits, the server ends a handshake that
// has had its slot for handshakeGrace and waits for its client: one of the address with the most
// slots, or of the same address if that has its share.
type tlsSlots struct {
	mu      sync.Mutex
	busy    int // handshakes that have a slot
	ending  int // of these, the ones that end for another connection
	waits   int // connections that wait for a slot
	clients map[uint32]*tlsClient
	turns   list.List // of *tlsClient that wait, the next one first
}

// tlsClient is an address with handshakes that have a slot or wait for one.
type tlsClient struct {
	entry            uint32        // with the address's counts; the key in tlsSlots.clients
	running, waiting list.List     // of *tlsState, the oldest first
	turn             *list.Element // in tlsSlots.turns; nil: none of them waits
}

// tlsSlot is the part of a tlsState that tlsSlots.mu guards.
type tlsSlot struct {
	client *tlsClient    // nil: it neither has a slot nor waits for one
	place  *list.Element // in the client's running or waiting
	taken  bool          // it has a slot
	ending bool          // it ends for another connection
	ip     uint32        // the entry whose slot it has, or will have
	since  uint32        // with taken: the tick
}

// takeTLSSlot takes a slot for a handshake, or puts its connection on the list, unless it is there. It
// reports whether the handshake has a slot.
func (s *Server) takeTLSSlot(r *record, t *tlsState) bool {
	p := &s.tlsSlots
	p.mu.Lock()
	if t.slot.client == nil {
		p.queueLocked(t, r.ip, s.addrs.Counted(r.ip))
	}
	p.mu.Unlock()
	s.serveTLSWaiters()
	p.mu.Lock()
	defer p.mu.Unlock()
	return t.slot.taken
}

// leaveTLSSlot gives back the slot of a handshake, or takes its connection off the list.
func (s *Server) leaveTLSSlot(t *tlsState) {
	p := &s.tlsSlots
	p.mu.Lock()
	switch {
	case t.slot.client == nil:
	case t.slot.taken:
		p.busy--
		if t.slot.ending {
			p.ending--
		}
		t.slot.client.running.Remove(t.slot.place)
		s.addrs.GiveSlotBack(t.slot.ip, addrs.SlotTLS)
	default:
		p.unqueueLocked(t)
	}
	if c := t.slot.client; c != nil && c.running.Len()+c.waiting.Len() == 0 {
		delete(p.clients, c.entry)
	}
	t.slot = tlsSlot{}
	p.mu.Unlock()
	s.serveTLSWaiters()
}

// serveTLSWaiters gives free slots to connections that wait, and ends handshakes for the others.
func (s *Server) serveTLSWaiters() {
	p, now := &s.tlsSlots, s.clock.Look()
	var served, slow []Conn
	p.mu.Lock()
	for c := p.nextLocked(s); c != nil; c = p.nextLocked(s) {
		served = append(served, p.serveLocked(s, c, now))
	}
	for p.ending < p.waits {
		t := p.slowLocked(s, now)
		if t == nil {
			break
		}
		t.slot.ending = true
		p.ending++
		own, _ := t.conn()
		slow = append(slow, own)
	}
	p.mu.Unlock()
	for _, c := range served {
		s.wake(c.r)
	}
	for _, c := range slow {
		s.logRefusal(refuseTLS, s.addrs.AddrPort(c.r.ip, c.r.port), "")
		s.beginClose(c.r, c.gen, closing{cause: HandshakeTimeout, why: refuseTLS})
	}
}

// queueLocked puts a connection at the end of its address's list.
func (p *tlsSlots) queueLocked(t *tlsState, ip, entry uint32) {
	c := p.clients[entry]
	if c == nil {
		if p.clients == nil {
			p.clients = map[uint32]*tlsClient{}
		}
		c = &tlsClient{entry: entry}
		p.clients[entry] = c
	}
	t.slot = tlsSlot{client: c, place: c.waiting.PushBack(t), ip: ip}
	p.waits++
	if c.turn == nil {
		c.turn = p.turns.PushBack(c)
	}
}

// unqueueLocked takes a connection off the list of its address.
func (p *tlsSlots) unqueueLocked(t *tlsState) {
	c := t.slot.client
	c.waiting.Remove(t.slot.place)
	p.waits--
	if c.waiting.Len() == 0 {
		p.turns.Remove(c.turn)
		c.turn = nil
	}
}

// nextLocked returns the address that gets the next slot; nil if no slot is free for any that waits.
// At most four addresses have used up their share, and these gather at the front.
func (p *tlsSlots) nextLocked(s *Server) *tlsClient {
	if p.busy >= s.cfg.MaxTLSHandshakes {
		return nil
	}
	for e := p.turns.Front(); e != nil; e = e.Next() {
		c := e.Value.(*tlsClient)
		first := c.waiting.Front().Value.(*tlsState)
		if s.addrs.HasSlot(first.slot.ip, addrs.SlotTLS, s.cfg.MaxTLSHandshakes) {
			return c
		}
	}
	return nil
}

// serveLocked gives a slot to the connection of an address that waits longest, and returns it.
func (p *tlsSlots) serveLocked(s *Server, c *tlsClient, now uint32) Conn {
	t := c.waiting.Front().Value.(*tlsState)
	p.turns.MoveToBack(c.turn)
	p.unqueueLocked(t)
	p.busy++
	s.addrs.TakeSlot(t.slot.ip, addrs.SlotTLS, s.cfg.MaxTLSHandshakes) // nextLocked has seen that it is free
	t.slot = tlsSlot{client: c, place: c.running.PushBack(t), taken: true, ip: t.slot.ip, since: now}
	own, _ := t.conn()
	return own
}

// slowLocked returns the handshake that ends for a connection that waits; nil if there is none.
func (p *tlsSlots) slowLocked(s *Server, now uint32) *tlsState {
	before := now - handshakeGrace*s.ticks.second
	if p.busy < s.cfg.MaxTLSHandshakes { // those that wait have used up their share
		for e := p.turns.Front(); e != nil; e = e.Next() {
			if t := e.Value.(*tlsClient).slowLocked(before); t != nil {
				return t
			}
		}
		return nil
	}
	var found *tlsState
	most := 0
	for _, c := range p.clients {
		if n := c.running.Len(); n > most {
			if t := c.slowLocked(before); t != nil {
				found, most = t, n
			}
		}
	}
	return found
}

// slowLocked returns the handshake of an address that has had its slot longest, at least since a tick,
// among those that wait for their client. It returns nil if there is none.
func (c *tlsClient) slowLocked(before uint32) *tlsState {
	for e := c.running.Front(); e != nil; e = e.Next() {
		t := e.Value.(*tlsState)
		if int32(before-t.slot.since) < 0 {
			return nil
		}
		if !t.slot.ending && t.Status().Waits {
			return t
		}
	}
	return nil
}
