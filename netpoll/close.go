package netpoll

import (
	"sync/atomic"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"

	"webim/netpoll/internal/frame"
	"webim/netpoll/internal/rawio"
)

// A connection ends in three steps, and each happens in one place:
//
//	beginClose  anywhere: marks it, queues the Close frame or drops the queue
//	closeTurn   on the turn: flush, shutdown(WR), read to the end of stream
//	finish      on the turn, with the write bit: Del, close(fd), Handler.Close
//
// shutdown and reading to the end come before close because unread input
// turns close into a reset, which would destroy the answer on its way.

// wsPolicy is the Close code of who breaks our rules rather than the RFC's.
const wsPolicy = ws.StatusPolicyViolation

// closing says how a connection is to end.
type closing struct {
	cause   Cause
	code    ws.StatusCode // of the frame; without one the handler is told 1006
	reason  string
	frame   bool    // send what is queued, then a Close frame
	answer  []byte  // send this instead: an HTTP error
	why     refusal // counted with it
	trim    bool    // with frame: of what is queued, send only what is cut
	last    bool    // nothing the client may still say matters: shut down when all is sent
	giveWay bool    // for another one, unless it is open: see giveWayLocked
	// early is the answer to who is not open yet, and so can be sent no frame;
	// nil: none.
	early *refusedError
}

// extra is what few connections have besides: see record. tls is set before the
// connection is parked; the rest is under the record's lock.
type extra struct {
	refuse refusal
	tls    *tlsState
	data   any
	reason string
	held   int    // calls of Later and Again that are not done
	rest   uint32 // with fResting: the tick at which the connection is read again
}

// extraLocked returns the connection's extra, made if need be.
func (s *Server) extraLocked(r *record) *extra {
	if x := s.extras.At(r.extra); x != nil {
		return x
	}
	x := new(extra)
	r.extra = s.extras.Put(x)
	return x
}

// beginClose begins a close, once; it reports whether this call did. It never
// blocks and may be called from anywhere, with no lock held.
func (s *Server) beginClose(r *record, gen uint32, c closing) bool {
	r.mu.Lock()
	if r.gen.Load() != gen || r.w&wClosing != 0 {
		r.mu.Unlock()
		return false
	}
	if c.giveWay && !s.giveWayLocked(r) {
		r.mu.Unlock()
		return false
	}
	if (c.frame || c.cause == Shutdown) && r.flags.Load()&fOpen == 0 {
		c = s.earlyLocked(r, c.early)
	}
	if c.why != "" {
		if c.why != answeredHealth {
			s.stats.refused(c.why)
		}
	}
	r.w |= wClosing
	r.cause, r.code = c.cause, ws.StatusAbnormalClosure
	f := fClosing
	if c.last {
		f |= fLast
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
		b := encodeClose(c.code, c.reason)
		s.appendLocked(s.outputLocked(r), b, b.b)
	case len(c.answer) > 0:
		b := newBuffer(c.answer)
		s.appendLocked(s.outputLocked(r), b, b.b)
	case c.answer != nil:
		// What there is to say is in TLS's output already.
	default:
		s.dropOutputLocked(r)
		if x := s.extras.At(r.extra); x != nil && x.tls != nil {
			x.tls.dropOut()
		}
		f |= fAbort
	}
	r.flags.Or(f)
	r.mu.Unlock()
	s.wake(r)
	return true
}

// earlyLocked says how a connection ends that has not answered its upgrade:
// with an HTTP error, unless there is none to say or TLS stands before it.
func (s *Server) earlyLocked(r *record, e *refusedError) closing {
	if e == nil || r.flags.Load()&fTLS != 0 && !s.extras.At(r.extra).tls.ready() {
		return closing{cause: HandshakeFailed}
	}
	return answerClose(e)
}

// ready reports whether the handshake is done, and well.
func (t *tlsState) ready() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.done && t.failed == nil
}

// fail ends a connection that broke the protocol: RFC 6455, section 7.1.7.
// What it may send now is read and thrown away.
func (s *Server) fail(r *record, e *frame.Error) {
	s.beginClose(r, r.gen.Load(), closingOf(e))
}

// closeTurn moves a closing connection on; it runs on the turn.
func (s *Server) closeTurn(w *worker, r *record) (more bool) {
	f := r.flags.Load()
	if f&fAbort != 0 {
		return s.finish(r)
	}
	if f&fArmed == 0 {
		r.flags.Or(fArmed)
		if f&fLast != 0 {
			s.freeInput(r) // nobody will look at it
			if f&fTLS != 0 {
				s.extras.At(r.extra).tls.dropIn()
			}
		}
		r.deadline.Store(s.clock.Look() + s.ticks.close)
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
		s.extras.At(r.extra).tls.closeNotify(s, r)
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
		// All is said: what is left is to see the client's end of stream.
		r.deadline.Store(s.clock.Look() + s.ticks.linger)
		s.armBy(r, r.deadline.Load())
	}
	if gone {
		r.stage = stageDrain
	}
	return s.readClosing(w, r)
}

// readClosing reads on behalf of a connection that is closing: while the
// client's Close frame is awaited through the decoder, which throws messages
// away; then raw to the end of stream.
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

// expire gives up waiting for a closing connection.
func (s *Server) expire(r *record) {
	r.mu.Lock()
	s.dropOutputLocked(r)
	r.mu.Unlock()
	r.flags.Or(fAbort)
	s.wake(r)
}

// resets reports whether a cause ends with a reset, which frees what the
// kernel still holds for a client that does not read.
func resets(c Cause) bool { return c == Slow || c == PongTimeout || c == OutOfMemory }

// finish ends a connection on its turn, unless somebody writes; then the
// writer wakes the turn again.
func (s *Server) finish(r *record) (more bool) {
	r.mu.Lock()
	if r.w&wBit != 0 {
		r.w |= wAgain
		r.mu.Unlock()
		return false
	}
	r.w |= wBit | wDead | wClosing
	s.dropOutputLocked(r)
	cause, code, reason := r.cause, r.code, ""
	x := s.extras.At(r.extra)
	if x != nil {
		reason = x.reason
	}
	r.mu.Unlock()
	s.freeInput(r)
	s.loops[r.loop].unpark(int(r.fd))
	s.loops[r.loop].wheel.Remove(r.index)
	if resets(cause) && r.flags.Load()&fAbort != 0 {
		unix.SetsockoptLinger(int(r.fd), unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	}
	unix.Close(int(r.fd))
	if x != nil && x.tls != nil && x.tls.end() {
		s.stopWaiting(x.tls)
	}
	opened := r.flags.Load()&fOpen != 0
	s.stats.closed[cause].Add(1)
	var why refusal
	if x != nil {
		why = x.refuse
	}
	if why != "" {
		s.refusing.Add(-1) // first: see clients
	}
	s.open.Add(-1)
	if opened {
		s.stats.open.Add(-1)
		s.closed(r, Closed{Cause: cause, Code: code, Reason: reason})
	}
	ip := r.ip
	s.forget(r)
	s.countOut(ip, why, opened) // last: Info shows the address until then
	return false
}

// countOut ends what an address's count has of a connection. A connection that was
// refused is not in it, unless only because the server stops.
func (s *Server) countOut(ip uint32, why refusal, opened bool) {
	if why == "" || why == refuseStopping {
		s.addrs.Remove(ip, !opened)
	} else {
		s.addrs.Forget(ip)
	}
}

// forget returns the record to the slab under a new generation; handles to the
// connection end here. Nothing links the record any more: it is off the wheel,
// and the ready list knows the turn, not the connection.
func (s *Server) forget(r *record) {
	r.mu.Lock()
	s.extras.Drop(r.extra)
	r.gen.End()
	r.flags.Store(0)
	r.w, r.cause, r.code = 0, causeNone, 0
	r.output, r.extra, r.tag = 0, 0, 0
	s.stats.bankLocked(r)
	r.bytesOut, r.messagesOut = 0, 0
	atomic.StoreUint64(&r.bytesIn, 0)
	atomic.StoreUint64(&r.messagesIn, 0)
	r.mu.Unlock()
	r.input, r.controls, r.controlAt = 0, 0, 0
	r.deadline.Store(0)
	r.stage = stageFree
	s.slab.Put(r.index)
}
