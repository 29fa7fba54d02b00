package netpoll

import (
	"slices"
	"sync"
)

// A full server makes room: it ends a connection that only waits for its client, so that another
// one can come. In this order, that is an HTTP connection that is idle or stalled, and the
// handshake that began first. It never ends an open WebSocket.
const (
	// handshakeGrace is how many seconds a handshake has before it may end for others,
	// as long as handshakes are less than half of all connections: otherwise a few
	// honest ones would end for a flood of others. Where they are more, the oldest of
	// so many has had its time.
	handshakeGrace = 1
	// maxLeaving connections, besides maxRefusals, may be on their way out.
	maxLeaving = 12
)

// waiting is a list of connections in the order in which they were accepted, while they may still
// wait for their clients. Connections that have ended or opened since are dropped at the next look.
type waiting struct {
	mu    sync.Mutex // a leaf
	conns []waitingConn
	prune int // the length at which those that have ended or opened are dropped
}

type waitingConn struct {
	r   *record
	gen uint32
	at  uint32 // tick
}

// waits reports whether the connection still exists and is neither open nor closing.
func (c waitingConn) waits() bool {
	return c.r.gen.Load() == c.gen && c.r.flags.Load()&(fOpen|fClosing) == 0
}

func (w *waiting) push(c waitingConn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.conns) >= max(64, w.prune) {
		w.conns = slices.DeleteFunc(w.conns, func(c waitingConn) bool { return !c.waits() })
		w.prune = 2 * len(w.conns)
	}
	w.conns = append(w.conns, c)
}

// pop takes the first connection, if it was accepted at the tick before or earlier.
func (w *waiting) pop(before uint32) (c waitingConn, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for n < len(w.conns) && !w.conns[n].waits() {
		n++
	}
	if n < len(w.conns) && int32(before-w.conns[n].at) >= 0 {
		c, ok = w.conns[n], true
		n++
	}
	clear(w.conns[:n])
	w.conns = w.conns[n:] // append moves the rest when it needs room, so pop need not
	return c, ok
}

// makeRoom ends one connection for another that has been accepted, and reports whether it found
// one. When it returns, that connection no longer counts in open, or it counts in refusing.
func (s *Server) makeRoom() bool {
	if c := s.httpConns.longestWaiting(func(*httpConn) bool { return true }); c != nil {
		c.abort()
		return true
	}
	now := s.clock.Look()
	before := now
	if handshaking := s.clients() - s.stats.open.Load() - s.httpConns.n.Load(); 2*handshaking < int64(s.cfg.MaxConns) {
		before = now - handshakeGrace*s.ticks.second
	}
	for s.refusing.Load() < maxRefusals+maxLeaving {
		c, ok := s.handshakes.pop(before)
		if !ok {
			return false
		}
		if s.beginClose(c.r, c.gen, closing{cause: Refused, why: refuseUnanswered, forOther: true}) {
			return true
		}
	}
	return false
}

// freeSlotLocked counts a connection that ends for another one among the refused ones. It returns
// false if the connection is open or was refused before.
func (s *Server) freeSlotLocked(r *record) bool {
	x := s.extraLocked(r)
	if x.refuse != "" || r.flags.Load()&fOpen != 0 {
		return false
	}
	x.refuse = refuseFull
	s.refusing.Add(1)
	s.addrs.Uncount(r.ip)
	return true
}

// takeRefusalSlot takes one of the slots for connections that are accepted only to be refused. If
// all are taken, the one of them that was accepted first is ended.
func (s *Server) takeRefusalSlot(why refusal) bool {
	slots := int64(maxRefusals)
	if why == refuseStopping {
		// Clients that have left have made room for new ones.
		slots = max(slots, int64(s.cfg.MaxConns)-s.open.Load()+s.refusing.Load())
	}
	n := s.refusing.Add(1)
	if n <= slots {
		return true
	}
	if n <= slots+maxLeaving {
		if c, ok := s.refused.pop(s.clock.Look()); ok {
			s.beginClose(c.r, c.gen, closing{cause: HandshakeTimeout})
			return true
		}
	}
	s.refusing.Add(-1)
	return false
}
