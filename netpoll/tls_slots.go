package netpoll

import (
	"webim/netpoll/internal/refusal"
	"webim/netpoll/internal/tlsmem"
)

// tlsOwner makes a connection the owner of its TLS.
type tlsOwner struct{ c Conn }

// conn returns the connection that has this TLS, and the bytes of its unfinished input.
func (t *tlsState) conn() (c Conn, input int) {
	o, input := t.Owner()
	return o.(tlsOwner).c, input
}

func newTLSState(ln *listener) *tlsState { return &tlsState{Conn: tlsmem.New(ln.tls)} }

func (o tlsOwner) CountInput(n int) bool { return o.c.s.unfinished.Add(n) }

func (o tlsOwner) CountOutput(n int) { o.c.s.queued.Add(int64(n)) }

func (o tlsOwner) Wake() { o.c.s.wake(o.c.r) }

func (o tlsOwner) Flush() { o.c.s.flush(o.c.r, o.c.gen) }

// takeTLSSlot takes a slot for a handshake, or puts its connection on the list, unless it is there. It
// reports whether the handshake has a slot.
func (s *Server) takeTLSSlot(r *record, t *tlsState) bool {
	s.tlsSlots.Enter(&t.place, t, r.ip)
	s.assignTLSSlots()
	return s.tlsSlots.Taken(&t.place)
}

// leaveTLSSlot gives back the slot of a handshake, or takes its connection off the list.
func (s *Server) leaveTLSSlot(t *tlsState) {
	s.tlsSlots.Leave(&t.place)
	s.assignTLSSlots()
}

// assignTLSSlots gives free slots to connections that wait, and ends handshakes for the others.
func (s *Server) assignTLSSlots() {
	now := s.clock.Look()
	served, slow := s.tlsSlots.Assign(now, now-handshakeGrace*s.ticks.second)
	for _, t := range served {
		c, _ := t.conn()
		s.wake(c.r)
	}
	for _, t := range slow {
		c, _ := t.conn()
		s.refusals.Log(refusal.SlowTLS, s.addrs.AddrPort(c.r.ip, c.r.port), "")
		s.beginClose(c.r, c.gen, closing{cause: HandshakeTimeout, why: refusal.SlowTLS})
	}
}

// endTLS ends the TLS of a connection that ends, and its wait for a slot.
func (s *Server) endTLS(t *tlsState) {
	t.End()
	if t.waits {
		s.leaveTLSSlot(t)
	}
}
