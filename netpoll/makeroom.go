package netpoll

import (
	"slices"
	"sync"
)

// A server that is full makes room: a connection that only waits for its client ends,
// so that another one can come. That is, in this order, an HTTP connection that is
// idle or stalled, and the handshake that began first. An open WebSocket never is.

const (
	// handshakeGrace is how many seconds a handshake has before it may end for others,
	// as long as handshakes are less than half of all connections: otherwise a few
	// honest ones would end for a flood of others. Where they are more, the oldest of
	// so many has had its time.
	handshakeGrace = 1
	// maxLeaving connections, besides maxRefusals, may be on their way out.
	maxLeaving = 12
)

// waiting are connections in the order in which they were accepted, while they may
// still wait for their clients. Those that have gone or are open are dropped when
// somebody looks.
type waiting struct {
	mu    sync.Mutex // a leaf
	conns []waitingConn
	prune int // the length at which those that wait no longer are dropped
}

type waitingConn struct {
	r   *record
	gen uint32
	at  uint32 // tick
}

// waits reports whether the connection is still there, and neither open nor closing.
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

// pop takes the first one, if it was accepted at the tick before or earlier.
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
	w.conns = w.conns[n:] // append moves what is left when it needs room, so nobody does at each pop
	return c, ok
}

// makeRoom ends one connection for another that has been accepted; it reports whether
// it found one. When it returns, the connection is no longer counted in open, or is
// counted in refusing.
func (s *Server) makeRoom() bool {
	if c := s.lent.longestWaiting(func(*lentConn) bool { return true }); c != nil {
		c.kill()
		return true
	}
	now := s.clock.Look()
	before := now
	if shaking := s.clients() - s.stats.open.Load() - s.lent.n.Load(); 2*shaking < int64(s.cfg.MaxConns) {
		before = now - handshakeGrace*s.ticks.second
	}
	for s.refusing.Load() < maxRefusals+maxLeaving {
		c, ok := s.handshakes.pop(before)
		if !ok {
			return false
		}
		if s.beginClose(c.r, c.gen, closing{cause: Refused, why: refuseUnsaid, giveWay: true}) {
			return true
		}
	}
	return false
}

// giveWayLocked counts a connection that ends for another one among those that are
// refused. It fails if the connection is open, or was refused before.
func (s *Server) giveWayLocked(r *record) bool {
	x := s.extraLocked(r)
	if x.refuse != "" || r.flags.Load()&fOpen != 0 {
		return false
	}
	x.refuse = refuseFull
	s.refusing.Add(1)
	s.addrs.Uncount(r.ip)
	return true
}

// refusePlace takes one of the places for connections that are let in to be refused.
// When all are taken, the one of them that has been silent longest ends.
func (s *Server) refusePlace(places int64) bool {
	n := s.refusing.Add(1)
	if n <= places {
		return true
	}
	if n <= places+maxLeaving {
		if c, ok := s.refused.pop(s.clock.Look()); ok {
			s.beginClose(c.r, c.gen, closing{cause: HandshakeTimeout})
			return true
		}
	}
	s.refusing.Add(-1)
	return false
}
