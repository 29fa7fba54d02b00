package netpoll

import "webim/netpoll/internal/wheel"

// checkDeadlines checks, on the turn, which deadline of a connection has come, does what it
// demands, and arms the wheel for the next deadline.
func (s *Server) checkDeadlines(r *record) {
	now, f := s.clock.Look(), r.flags.Load()
	switch {
	case f&fClosing != 0:
		if f&fArmed == 0 {
			return // closeTurn will set the deadline
		}
		if int32(now-r.deadline.Load()) >= 0 {
			s.expire(r)
			return
		}
		s.arm(r, r.deadline.Load())
		return
	case r.stage != stageOpen:
		if int32(now-r.deadline.Load()) >= 0 {
			s.beginClose(r, r.gen.Load(), closing{cause: HandshakeTimeout})
			return
		}
		s.arm(r, r.deadline.Load())
		return
	}
	next := now + s.ticks.idle
	for _, d := range [...]uint32{s.checkRest(r, now, f), s.checkOutput(r, now, f), s.checkInput(r, now), s.checkPeer(r, now, r.flags.Load())} {
		if d != 0 && int32(d-next) < 0 {
			next = d
		}
	}
	if r.flags.Load()&fClosing == 0 {
		s.arm(r, next)
	}
}

// checkOutput closes a connection whose socket has taken nothing for WriteTimeout. Otherwise it
// returns the tick of the next check; 0 means none is needed.
func (s *Server) checkOutput(r *record, now, f uint32) uint32 {
	if f&fBlocked == 0 || s.cfg.WriteTimeout < 0 {
		return 0
	}
	due := r.sent.Load() + s.ticks.write
	if int32(now-due) >= 0 {
		s.closeAs(r, r.gen.Load(), closing{cause: Slow})
		return 0
	}
	return due
}

// checkInput closes a connection with a message that has been unfinished for MessageTimeout.
// Otherwise it returns the tick of the next check; 0 means none is needed.
func (s *Server) checkInput(r *record, now uint32) uint32 {
	in := s.inputs.At(r.input)
	if in == nil || in.dec.Idle() || s.cfg.MessageTimeout < 0 {
		return 0
	}
	due := in.since + s.ticks.message
	if int32(now-due) >= 0 {
		s.beginClose(r, r.gen.Load(), closing{cause: Unfinished, code: wsPolicy, reason: "message stays unfinished", frame: true})
		return 0
	}
	return due
}

// timeUp queues a turn that checks the connection's deadlines.
func (s *Server) timeUp(r *record) {
	r.flags.Or(fTimer)
	s.wake(r)
}

// arm sets the tick at which the connection's deadlines are checked, earlier or later than before.
func (s *Server) arm(r *record, due uint32) { s.loops[r.loop].wheel.Arm(r.index, due) }

// armBy makes that tick no later than due.
func (s *Server) armBy(r *record, due uint32) { s.loops[r.loop].wheel.ArmBy(r.index, due) }

// Link, Settle, Turn and Ping make the loop a wheel.Owner.
func (l *loop) Link(i uint32) *wheel.Link { return &l.s.slab.At(i).link }

func (l *loop) Settle(i, now uint32) (due uint32, settled bool) {
	return l.s.nextPing(l.s.slab.At(i), now)
}

func (l *loop) Turn(i uint32) { l.s.timeUp(l.s.slab.At(i)) }

func (l *loop) Ping(i uint32) { l.s.pingOnLoop(l.s.slab.At(i)) }
