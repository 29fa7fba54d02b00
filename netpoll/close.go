package netpoll

import (
	"cmp"
	"sync/atomic"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"

	"webim/netpoll/internal/encode"
	"webim/netpoll/internal/frame"
	"webim/netpoll/internal/output"
	"webim/netpoll/internal/rawio"
	"webim/netpoll/internal/refusal"
)

// A connection ends in three steps, and each happens in one place:
//
//	beginClose  anywhere: marks it, queues the Close frame or drops the queue
//	closeTurn   on the turn: flush, shutdown(WR), read to the end of the stream
//	finish      on the turn, with the write bit: Del, close(fd), Handler.Close
//
// shutdown(WR) and reading to the end come before close(2), because close with unread input resets the
// connection, and a reset destroys the answer on its way.
//
// These are the legal combinations of the bits, under the record's lock; a dot stands for both values.
// TestCloseStates reads this table.
//
//	C fClosing, L fLast, A fAbort; c wClosing, s wShut, d wDead
//
//	state         C L A  c s d  meaning
//	open          0 0 0  0 0 0  or free, or in its handshake
//	failed        0 0 0  0 1 0  a write has failed; the turn will begin the close
//	closing       1 0 0  1 0 0  output leaves, then a Close frame, and the client's is awaited
//	ending        1 1 0  1 0 0  output leaves, then shutdown(WR)
//	draining      1 . 0  1 1 0  nothing more is written; the turn reads to the end of the stream
//	aborting      1 . 1  1 . 0  nothing more is written or read; the turn calls finish
//	ended         1 . .  1 . 1  finish has the write bit and does not give it back
//	handed over   0 0 0  1 0 1  net/http gets the socket
//
// beginClose leaves one of the first two rows, once. A state only changes to one of a lower row.
// After ended and handed over the record is free, under a new generation.

// wsPolicy is the Close code for a client that breaks this server's rules and not the RFC's.
const wsPolicy = ws.StatusPolicyViolation

// closing says how a connection is to end.
type closing struct {
	cause    Cause
	code     ws.StatusCode // of the frame; without a frame the handler gets 1006
	reason   string
	by       Party          // the party behind it; 0: that of the cause
	frame    bool           // send what is queued, then a Close frame
	answer   []byte         // send this instead: an HTTP error
	why      refusal.Reason // the refusal that is counted
	trim     bool           // with frame: drop the queue, except a frame that is partly written
	last     bool           // nothing more is needed from the client: shut down when everything is sent
	forOther bool           // it ends for another connection, unless it is open: see freeSlotLocked
	// early is the answer to a connection that is not open yet, and so can get no Close frame; nil:
	// no answer.
	early *refusal.Error
}

// beginClose begins a close, once; it reports whether this call did. It never blocks and may be
// called from anywhere, with no lock held.
func (s *Server) beginClose(r *record, gen uint32, c closing) bool {
	r.mu.Lock()
	if r.gen.Load() != gen || r.w&wClosing != 0 {
		r.mu.Unlock()
		return false
	}
	if c.forOther && !s.freeSlotLocked(r) {
		r.mu.Unlock()
		return false
	}
	if (c.frame || c.cause == Shutdown) && r.flags.Load()&fOpen == 0 {
		c = s.earlyLocked(r, c.early)
	}
	if c.why != "" {
		s.refusals.Count(c.why)
	}
	if c.by != 0 {
		s.extraLocked(r).by = c.by
	}
	r.w |= wClosing
	r.cause, r.code = c.cause, ws.StatusAbnormalClosure
	r.flags.Or(fClosing | s.closeOutputLocked(r, c))
	if c.cause == Refused && c.why != refusal.Health {
		r.code, s.extraLocked(r).reason = c.code, cmp.Or(c.reason, string(c.why))
	}
	r.mu.Unlock()
	s.wake(r)
	return true
}

// closeOutputLocked queues the last output of a connection, or drops all of its output. It returns
// the flags of the close besides fClosing.
func (s *Server) closeOutputLocked(r *record, c closing) (f uint32) {
	if c.last {
		f = fLast
	}
	switch {
	case r.w&wShut != 0:
		f |= fLast
	case c.frame:
		r.code = c.code
		if c.reason != "" {
			s.extraLocked(r).reason = c.reason
		}
		if c.trim {
			s.trimLocked(r)
		}
		s.appendLocked(r, encode.Close(c.code, c.reason))
	case len(c.answer) > 0:
		s.appendLocked(r, output.NewBuffer(c.answer))
	case c.answer != nil: // the answer is in TLS's output already
	default:
		s.dropOutputLocked(r)
		if x := s.extras.At(r.extra); x != nil && x.tls != nil {
			x.tls.DropOutput()
		}
		f |= fAbort
	}
	return f
}

// earlyLocked returns the close of a connection that has not answered its upgrade: with an HTTP
// error, unless there is none to send or the TLS handshake is not finished.
func (s *Server) earlyLocked(r *record, e *refusal.Error) closing {
	if e == nil || r.flags.Load()&fTLS != 0 && !s.extras.At(r.extra).tls.Ready() {
		return closing{cause: HandshakeFailed}
	}
	return answerClose(e)
}

// fail ends a connection that has broken the protocol: RFC 6455, section 7.1.7. Bytes that it still
// sends are read and dropped.
func (s *Server) fail(r *record, e *frame.Error) {
	s.beginClose(r, r.gen.Load(), closingOf(e))
}

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

// resets reports whether a close with this cause resets the connection, which frees the kernel's
// memory for a client that does not read.
func resets(c Cause) bool { return c == Slow || c == PongTimeout || c == OutOfMemory }

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

// forget returns the record to the slab under a new generation. Handles to the connection are
// invalid from here on. Nothing refers to the record any more: it is off the wheel, and the ready
// list refers to the turn, not to the connection.
func (s *Server) forget(r *record) {
	r.mu.Lock()
	s.extras.Drop(r.extra)
	r.gen.End()
	r.flags.Store(0)
	r.w, r.cause, r.code = 0, causeNone, 0
	r.output, r.extra, r.tag = 0, 0, 0
	s.stats.addTrafficLocked(r)
	r.bytesOut, r.messagesOut = 0, 0
	r.link.Own = 0
	atomic.StoreUint64(&r.bytesIn, 0)
	atomic.StoreUint64(&r.messagesIn, 0)
	r.mu.Unlock()
	r.input, r.controls, r.controlAt = 0, 0, 0
	r.deadline.Store(0)
	r.stage = stageFree
	s.slab.Put(r.index)
}
