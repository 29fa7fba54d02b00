package netpoll

import (
	"webim/netpoll/internal/frame"

	"golang.org/x/sys/unix"
)

// readOpen reads and decodes until the socket is empty, the budget is spent or the connection is
// paused. Frames that the handler pushes meanwhile leave together at the end.
func (s *Server) readOpen(w *worker, r *record) (more bool) {
	gen, resumed := r.gen.Load(), s.hasInput(r)
	r.cork()
	more = s.readMessages(w, r)
	s.noteTaken(w, r)
	s.chargeOutstanding(w, r) // also of a message that broke a rule
	r.weigh(more, resumed)
	if r.hasOutput() {
		w.RunFew(&r.turn)
	}
	s.uncork(r, gen)
	return more
}

func (s *Server) readMessages(w *worker, r *record) (more bool) {
	w.left = messageBudget
	if r.flags.Load()&fYield != 0 {
		r.flags.And(^fYield) // of the last turn
	}
	w.meter, w.cost = s.meterOf(r), Cost{}
	for end := r.bytesIn + readBudget; r.bytesIn < end && w.left > 0; {
		if r.stopped() {
			return false
		}
		b := w.takeRest(s, r)
		if w.in.Again.Op != 0 {
			if !s.redeliver(w, r, b) {
				return false
			}
			continue
		}
		if len(b) == 0 || !w.in.Ready {
			n, end := s.fill(w, r, len(b))
			if n == 0 {
				w.keep(s, r, b)
				if end {
					s.endOfStream(r)
				}
				return false
			}
			b = w.buf[:len(b)+n]
		}
		if !s.decode(w, r, b) {
			return false
		}
	}
	return true
}

// fill reads into the worker's buffer behind the first at bytes. n is 0 when
// the socket is empty, or, with end, at the end of stream.
//
// A short read means that the socket was empty, and saves the read that would
// say so; but not once a hang-up was hinted at: then only EOF says so.
func (s *Server) fill(w *worker, r *record, at int) (n int, end bool) {
	if r.flags.Load()&fReadable == 0 {
		return 0, false
	}
	// Cleared before the read: an event that comes during it sets it again.
	f := r.flags.And(^fReadable)
	n, errno := s.receive(w, r, w.buf[at:])
	if n > 0 {
		if n == len(w.buf)-at || f&(fHangup|fTLS) != 0 {
			r.flags.Or(fReadable)
		}
		return n, false
	}
	return 0, errno != unix.EAGAIN
}

// receive reads plain bytes, through TLS where there is one.
func (s *Server) receive(w *worker, r *record, b []byte) (int, unix.Errno) {
	if r.flags.Load()&fTLS != 0 {
		return s.receiveTLS(w, r, b)
	}
	return s.readSocket(r, b)
}

// endOfStream ends a connection after the end of its stream without a Close frame.
func (s *Server) endOfStream(r *record) {
	if r.flags.Load()&fClosing != 0 {
		r.flags.Or(fAbort)
		s.wake(r)
		return
	}
	// It may have closed its half only: answers to its last words leave first.
	gen := r.gen.Load()
	s.uncork(r, gen)
	s.beginClose(r, gen, closing{cause: ClientGone})
}

// decode hands whole messages to the handler; it reports whether to go on.
// What is left over is kept.
func (s *Server) decode(w *worker, r *record, b []byte) bool {
	lim := frame.Limits{MaxMessage: s.maxMessageOf(r), MaxFragments: s.cfg().MaxFragments, Deflate: r.flags.Load()&fDeflate != 0}
	began := w.in.Dec.Idle()
	w.in.Ready = false
	for len(b) > 0 {
		ev, n, err := w.in.Dec.Next(b, lim)
		if err != nil {
			return s.failInput(r, err)
		}
		b = b[n:]
		if n > 0 {
			w.countRead(n)
		}
		if ev.Op == 0 {
			if n == 0 {
				break
			}
			continue
		}
		began = began || !ev.Op.IsControl() // a control frame between fragments begins no message
		w.left--
		if err := s.take(w, r, ev, lim.MaxMessage); err != nil {
			return s.failInput(r, err)
		}
		if w.left <= 0 || w.in.Again.Op != 0 || r.stopped() || w.turnMustEnd(r) {
			w.in.Ready = len(b) > 0
			break
		}
		lim.MaxMessage = s.maxMessageOf(r) // the message may have ended Restrict
	}
	s.chargeOutstanding(w, r)
	if w.turnMustEnd(r) {
		w.left = 0
	}
	if began && !w.in.Dec.Idle() {
		w.in.Since = s.clock.Look()
	}
	return w.keep(s, r, b)
}
