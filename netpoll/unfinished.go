package netpoll

import "slices"

// Unfinished input is what clients have sent that is not a message yet: heads
// of requests, parts of messages, of frames, of TLS records. Any client may
// hold some for a while, so all of it together is counted and has a bound.
// Near the bound the largest holders go, so that a few with large halves
// cannot shut out the many with small ones; at the bound, whoever wants more.

// keepMore counts n bytes more, or less; it reports whether that may be.
func (s *Server) keepMore(n int) bool {
	total := s.unfinished.Add(int64(n))
	if n <= 0 {
		return true
	}
	if total > s.cfg.MaxUnfinished/8*7 {
		s.unburden.Wake()
	}
	return total <= s.cfg.MaxUnfinished
}

// hold counts what an input holds now.
func (in *input) hold(s *Server, held int) bool {
	grown := held - int(in.held.Swap(int64(held)))
	return s.keepMore(grown)
}

// newInput makes a connection's input; it is owned by the turn, but for held
// and owner, which unburdenTurn reads.
func (s *Server) newInput(r *record) *input {
	in := &input{owner: s.conn(r)}
	r.input = s.inputs.Put(in)
	return in
}

// freeInput forgets what was kept.
func (s *Server) freeInput(r *record) {
	in := s.inputs.At(r.input)
	if in == nil {
		return
	}
	in.hold(s, 0)
	s.inputs.Drop(r.input)
	r.input = 0
	r.flags.And(^fUnfinished)
}

// inputRefused ends a connection that there is no memory for.
func (s *Server) inputRefused(r *record) bool {
	if r.flags.Load()&fOpen != 0 {
		return s.broken(r, errInputMemory)
	}
	s.freeInput(r)
	s.beginClose(r, r.gen.Load(), closing{cause: OutOfMemory})
	return false
}

// unburdenTurn runs as a turn when unfinished input nears its bound: those who
// hold most are closed, one after the other, until it is enough. What it
// closed before may not be free yet; that is not asked for twice.
func (s *Server) unburdenTurn() (more bool) {
	type holder struct {
		c    Conn
		size int64
	}
	var holders []holder
	excess := s.unfinished.Load() - s.cfg.MaxUnfinished/8*7
	add := func(c Conn, size int64) {
		if c.r.gen.Load() != c.gen || c.r.flags.Load()&fClosing != 0 {
			excess -= size
		} else if size > 0 {
			holders = append(holders, holder{c, size})
		}
	}
	s.inputs.Each(func(in *input) { add(in.owner, in.held.Load()) })
	var states []*tlsState
	s.extras.Each(func(x *extra) {
		if x.tls != nil {
			states = append(states, x.tls)
		}
	})
	for _, t := range states {
		t.mu.Lock()
		c, size := t.own, t.held
		t.mu.Unlock()
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
