package netpoll

import (
	"webim/netpoll/internal/rawio"
	"webim/netpoll/internal/refusal"

	"golang.org/x/sys/unix"
)

// closeTurn moves a closing connection on. It runs on the turn.
func (s *Server) closeTurn(w *worker, r *record) (more bool) {
	f := r.flags.Load()
	if f&fAbort != 0 {
		return s.finish(r)
	}
	if f&fArmed == 0 {
		r.flags.Or(fArmed)
		if f&fLast != 0 {
			s.freeInput(r) // nobody will read it
			if f&fTLS != 0 {
				s.extras.At(r.extra).tls.DropInput()
			}
		}
		r.deadline.Store(s.clock.Look() + s.cfg().ticks.close)
		s.armBy(r, r.deadline.Load())
	}
	r.mu.Lock()
	if r.w&wBit != 0 {
		r.w |= wAgain
		r.mu.Unlock()
		return false
	}
	s.flushLocked(r)
	sent := r.output == 0 && !s.tlsPending(r)
	shut := sent && f&fLast != 0 && r.w&wShut == 0
	if shut && f&fTLS != 0 {
		s.closeNotifyLocked(r)
		sent = !s.tlsPending(r)
		shut = sent
	}
	if shut {
		r.w |= wShut
	}
	gone := r.w&wShut != 0 && sent
	fd := int(r.fd)
	r.mu.Unlock()
	if shut {
		unix.Shutdown(fd, unix.SHUT_WR)
		// Everything is sent: the client's end of the stream is all that is missing.
		r.deadline.Store(s.clock.Look() + s.cfg().ticks.linger)
		s.armBy(r, r.deadline.Load())
	}
	if gone {
		r.stage = stageDrain
	}
	return s.readClosing(w, r)
}

// readClosing reads for a closing connection: through the decoder, which drops messages, while the
// client's Close frame is awaited; after that raw, to the end of the stream.
func (s *Server) readClosing(w *worker, r *record) (more bool) {
	if r.stage == stageOpen && r.flags.Load()&fLast == 0 {
		return s.readOpen(w, r)
	}
	for range 4 {
		n, errno := rawio.Read(int(r.fd), w.buf)
		switch {
		case n > 0:
		case errno == unix.EAGAIN:
			return false
		default:
			return s.finish(r)
		}
	}
	return true
}

// expire ends the wait for a closing connection.
func (s *Server) expire(r *record) {
	r.mu.Lock()
	s.dropOutputLocked(r)
	r.mu.Unlock()
	r.flags.Or(fAbort)
	s.wake(r)
}

// finish ends a connection on its turn, unless another goroutine is writing; then that goroutine
// wakes the turn again.
func (s *Server) finish(r *record) (more bool) {
	r.mu.Lock()
	if r.w&wBit != 0 {
		r.w |= wAgain
		r.mu.Unlock()
		return false
	}
	r.w |= wBit | wDead | wClosing
	s.dropOutputLocked(r)
	x := s.extras.At(r.extra)
	why := closedOf(r, x)
	r.mu.Unlock()
	s.freeInput(r)
	s.loops[r.loop].Unpark(int(r.fd))
	s.loops[r.loop].wheel.Remove(r.index)
	if resets(why.Cause) && r.flags.Load()&fAbort != 0 {
		unix.SetsockoptLinger(int(r.fd), unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	}
	if s.lending.Load() {
		unix.Shutdown(int(r.fd), unix.SHUT_RDWR) // another process has the socket open, too
	}
	unix.Close(int(r.fd))
	if x != nil && x.tls != nil {
		s.endTLS(x.tls)
	}
	opened := r.flags.Load()&fOpen != 0
	s.stats.closed[why.Cause].Add(1)
	var refused refusal.Reason
	if x != nil {
		refused = x.refuse
	}
	if refused != "" {
		s.refusing.Add(-1) // first: see clients
	}
	s.open.Add(-1)
	if opened {
		s.stats.open.Add(-1)
		s.closed(r, why)
	} else {
		s.neverOpened(r, why)
	}
	ip := r.ip
	s.forget(r)
	s.countOut(ip, refused, opened) // last: Info shows the address until then
	return false
}

// countOut takes a connection out of its address's counts. A refused connection is not in them,
// except one that is refused only because the server stops.
func (s *Server) countOut(ip uint32, why refusal.Reason, opened bool) {
	if why == "" || why == refusal.Stopping {
		s.addrs.Remove(ip, !opened)
	} else {
		s.addrs.Forget(ip)
	}
}

// closeNotifyLocked ends the TLS of a connection with a close_notify alert. No goroutine writes.
func (s *Server) closeNotifyLocked(r *record) {
	t := s.extras.At(r.extra).tls
	if !t.Ready() {
		return
	}
	r.w |= wBit
	r.mu.Unlock()
	t.TLS.CloseWrite()
	r.mu.Lock()
	s.drainLocked(r)
	s.endWriteLocked(r)
}
