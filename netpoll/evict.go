package netpoll

import (
	"slices"
)

// weightLocked is about what would be free if the connection were not there: a
// share of what others wait for too, and all that only it waits for. By its lag
// alone who waits for what everybody is sent would go before who hoards.
func (s *Server) weightLocked(r *record) (n int) {
	if o := s.outputs.At(r.output); o != nil {
		for _, q := range o.live() {
			n += int(refSize) + q.buf.size/max(1, int(q.buf.holders.Load()))
		}
	}
	if x := s.extras.At(r.extra); x != nil && x.tls != nil {
		n += x.tls.pending()
	}
	return n
}

// lagLocked is how many bytes the socket has refused: frames, and ciphertext. What
// waits for the end of a turn, or is just being written, nobody has refused.
func (s *Server) lagLocked(r *record) int {
	if r.flags.Load()&fBlocked == 0 {
		return 0
	}
	return s.heldLocked(r)
}

// heldLocked is what waits for a connection, be it for room or for the turn's end.
func (s *Server) heldLocked(r *record) (n int) {
	if o := s.outputs.At(r.output); o != nil {
		n = o.size
	}
	if x := s.extras.At(r.extra); x != nil && x.tls != nil {
		n += x.tls.pending()
	}
	return n
}

// evict runs as a turn when all queues together hold too much: those that weigh
// most are closed, one after the other, until it is enough.
func (s *Server) evict() (more bool) {
	type lag struct {
		c    Conn
		size int
	}
	var lags []lag
	for c := range s.all() {
		if !c.lock() {
			continue
		}
		if size := s.weightLocked(c.r); size > 0 && c.r.w&wClosing == 0 {
			lags = append(lags, lag{c, size})
		}
		c.r.mu.Unlock()
	}
	slices.SortFunc(lags, func(a, b lag) int { return b.size - a.size })
	for _, l := range lags {
		if s.queued.Load() <= s.cfg.MaxQueued {
			break
		}
		// Without a Close frame, whatever the handler's codes: it would wait behind a
		// frame that is cut, which who does not read never takes, and hold memory.
		if s.beginClose(l.c.r, l.c.gen, closing{cause: OutOfMemory}) {
			s.stats.evictions.Add(1)
		}
	}
	return false
}
