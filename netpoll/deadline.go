package netpoll

// judge decides, on the turn, what a deadline means that may have come, and
// arms the wheel for the next one.
func (s *Server) judge(r *record) {
	now, f := s.clock.look(), r.flags.Load()
	switch {
	case f&fClosing != 0:
		if f&fArmed == 0 {
			return // closeTurn will set the deadline
		}
		if int32(now-r.deadline.Load()) >= 0 {
			s.expire(r)
			return
		}
		s.wheelOf(r).arm(r, r.deadline.Load())
		return
	case r.stage != stageOpen:
		if int32(now-r.deadline.Load()) >= 0 {
			s.beginClose(r, r.gen.Load(), closing{cause: HandshakeTimeout})
			return
		}
		s.wheelOf(r).arm(r, r.deadline.Load())
		return
	}
	next := now + s.ticks.idle
	for _, d := range [...]uint32{s.judgeRest(r, now, f), s.judgeOutput(r, now, f), s.judgeInput(r, now), s.judgePeer(r, now, r.flags.Load())} {
		if d != 0 && int32(d-next) < 0 {
			next = d
		}
	}
	if r.flags.Load()&fClosing == 0 {
		s.wheelOf(r).arm(r, next)
	}
}

// judgeOutput closes a connection whose socket has taken nothing for
// WriteTimeout, and otherwise says when to look again (0: no need).
func (s *Server) judgeOutput(r *record, now, f uint32) uint32 {
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

// judgeInput closes a connection whose message stays unfinished.
func (s *Server) judgeInput(r *record, now uint32) uint32 {
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

// judgePeer sees that the peer is there.
func (s *Server) judgePeer(r *record, now, f uint32) uint32 {
	if b := s.beatOf(f); b != nil {
		return s.beat(r, b, now, f)
	}
	return s.heartbeat(r, now, f)
}
