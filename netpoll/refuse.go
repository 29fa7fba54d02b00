package netpoll

import (
	"net/netip"
	"time"

	"webim/netpoll/internal/refusal"
)

// refuse answers with an HTTP error and then closes, so that the answer arrives.
func (s *Server) refuse(r *record, e *refusal.Error) {
	s.refusals.Log(e.Why, s.addrs.AddrPort(r.ip, r.port), e.Detail)
	s.beginClose(r, r.gen.Load(), answerClose(e))
}

// RefusalReasons returns the keys that Stats.Refused may have.
func RefusalReasons() []string {
	all := make([]string, len(refusal.Reasons))
	for i, why := range refusal.Reasons {
		all[i] = string(why)
	}
	return all
}

// RemoteText returns a client's address for logs: "192.0.2.7:1234", "192.0.2.7" behind a proxy, which
// does not tell the port, or "unix" for a client of a Unix socket, which has no address.
func RemoteText(remote netip.AddrPort) string { return refusal.AddrText(remote) }

// A full server makes room: it ends a connection that only waits for its client, so that another
// one can come. In this order, that is an HTTP connection that is idle or stalled, and the
// handshake that began first. It never ends an open WebSocket.
const (
	// handshakeGrace is how many seconds a handshake has before it may end for others,
	// as long as handshakes are less than half of all connections: otherwise a few
	// honest ones would end for a flood of others. Where they are more, the oldest of
	// so many has had its time.
	handshakeGrace = 1
	// maxRefusals is the most connections over a limit that are accepted at a time to be refused
	// with an answer. Each has refusalTimeout for its request. When more come, the oldest of them
	// is ended.
	maxRefusals    = 24
	refusalTimeout = 2 * time.Second
	// maxLeaving connections, besides maxRefusals, may be on their way out.
	maxLeaving = 12
)

// waits reports whether a connection still exists and is neither open nor closing.
func (s *Server) waits(id ID) bool {
	r, _ := s.record(id)
	return r != nil && r.flags.Load()&(fOpen|fClosing) == 0
}

// isFull reports whether the server has more connections than it may have.
func (s *Server) isFull() bool { return s.clients() > int64(s.cfg().MaxConns) }

// makeRoom ends one connection for another that has been accepted, and reports whether the server has
// room for it then. It has not if MaxConns has become lower than the number of connections.
func (s *Server) makeRoom() bool { return s.endWaiting() && !s.isFull() }

// endWaiting ends one connection that waits for its client, and reports whether it found one. When it
// returns, that connection no longer counts in open, or it counts in refusing.
func (s *Server) endWaiting() bool {
	if s.httpConns.EndLongestWaiting() {
		return true
	}
	now := s.clock.Look()
	before := now
	if handshaking := s.clients() - s.stats.open.Load() - s.httpConns.Slots(); 2*handshaking < int64(s.cfg().MaxConns) {
		before = now - handshakeGrace*s.ticks.second
	}
	for s.refusing.Load() < maxRefusals+maxLeaving {
		id, ok := s.handshakes.Pop(before)
		if !ok {
			return false
		}
		if r, gen := s.record(id); r != nil && s.beginClose(r, gen, closing{cause: Refused, why: refusal.Unanswered, forOther: true}) {
			return true
		}
	}
	return false
}

// takeRefusalSlot takes one of the slots for connections that are accepted only to be refused. If
// all are taken, the one of them that was accepted first is ended.
func (s *Server) takeRefusalSlot(why refusal.Reason) bool {
	slots := int64(maxRefusals)
	if why == refusal.Stopping {
		// Clients that have left have made room for new ones.
		slots = max(slots, int64(s.cfg().MaxConns)-s.open.Load()+s.refusing.Load())
	}
	n := s.refusing.Add(1)
	if n <= slots {
		return true
	}
	if n <= slots+maxLeaving {
		if id, ok := s.refused.Pop(s.clock.Look()); ok {
			if r, gen := s.record(id); r != nil {
				s.beginClose(r, gen, closing{cause: HandshakeTimeout})
			}
			return true
		}
	}
	s.refusing.Add(-1)
	return false
}

// refusalOf returns the reason why a connection was accepted only to be refused, or "".
func (s *Server) refusalOf(r *record) refusal.Reason {
	r.mu.Lock()
	defer r.mu.Unlock()
	if x := s.extras.At(r.extra); x != nil {
		return x.refuse
	}
	return ""
}

// clients returns the number of open connections that are not about to be refused. A connection
// counts in open for longer than in refusing, so no client is missed while others come and go.
func (s *Server) clients() int64 {
	for {
		refusing, open := s.refusing.Load(), s.open.Load()
		if s.refusing.Load() == refusing {
			return open - refusing
		}
	}
}
