package netpoll

import "slices"

// shedInput runs as a turn when unfinished input is near its limit. It closes the connections that
// hold most, one after the other, until the rest is below 7/8 of the limit. Connections that are
// closing already may still hold memory. Their bytes count as freed, so that the server does not
// close others for them.
func (s *Server) shedInput() (more bool) {
	type holder struct {
		c    Conn
		size int64
	}
	var holders []holder
	excess := s.unfinished.Excess()
	add := func(c Conn, size int64) {
		if c.r.gen.Load() != c.gen || c.r.flags.Load()&fClosing != 0 {
			excess -= size
		} else if size > 0 {
			holders = append(holders, holder{c, size})
		}
	}
	s.inputs.Each(func(in *input) { add(in.owner, in.Held()) })
	var states []*tlsState
	s.extras.Each(func(x *extra) {
		if x.tls != nil {
			states = append(states, x.tls)
		}
	})
	for _, t := range states {
		c, size := t.conn()
		add(c, int64(size))
	}
	slices.SortFunc(holders, func(a, b holder) int { return int(b.size - a.size) })
	for _, h := range holders {
		if excess <= 0 {
			break
		}
		excess -= h.size
		c := closing{cause: OutOfMemory}
		if h.c.r.flags.Load()&fOpen != 0 {
			c = closingOf(errInputMemory)
		}
		s.beginClose(h.c.r, h.c.gen, c)
	}
	return false
}

// shedOutput runs as a turn when all queues together hold more than MaxQueued. It closes the
// connections with the largest weight, one after the other, until the queues are below the limit.
func (s *Server) shedOutput() (more bool) {
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
		if s.queued.Excess() <= 0 {
			break
		}
		// Without a Close frame, whatever code the handler has for it: the frame would wait behind
		// a partly written one, which a client that does not read never takes, and hold memory.
		if s.beginClose(l.c.r, l.c.gen, closing{cause: OutOfMemory}) {
			s.stats.evictions.Add(1)
		}
	}
	return false
}
