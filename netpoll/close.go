package netpoll

import (
	"cmp"
	"sync/atomic"

	"webim/netpoll/internal/encode"
	"webim/netpoll/internal/frame"
	"webim/netpoll/internal/output"
	"webim/netpoll/internal/refusal"

	"github.com/gobwas/ws"
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

// Close sends the queue, then a Close frame with the code and the reason (cut to 123 bytes), and
// waits at most CloseTimeout for the client's answer. It returns at once. Handler.Close reports the
// end, with the cause ServerClosed. Code 0 means 1000. A code that may not stand in a Close frame
// (RFC 6455, section 7.4) is an error and closes nothing. A connection that is not open yet can get
// no frame: it ends as HandshakeFailed, and no handler is called. Swoole's disconnect.
func (c Conn) Close(code ws.StatusCode, reason string) error {
	return c.CloseBy(ByServer, code, reason)
}

// CloseBy is Close on account of a party, which Handler.Close gets as Closed.By.
func (c Conn) CloseBy(by Party, code ws.StatusCode, reason string) error {
	if code == 0 {
		code = ws.StatusNormalClosure
	}
	if !frame.Sendable(code) {
		return ErrBadFrame
	}
	if c.s == nil || !c.s.beginClose(c.r, c.gen, closing{cause: ServerClosed, code: code, reason: reason, by: by, frame: true}) {
		return ErrClosed
	}
	return nil
}

// freeSlotLocked counts a connection that ends for another one among the refused ones. It returns
// false if the connection is open or was refused before.
func (s *Server) freeSlotLocked(r *record) bool {
	x := s.extraLocked(r)
	if x.refuse != "" || r.flags.Load()&fOpen != 0 {
		return false
	}
	x.refuse = refusal.Full
	s.refusing.Add(1)
	s.addrs.Uncount(r.ip)
	return true
}

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

// wsPolicy is the Close code for a client that breaks this server's rules and not the RFC's.
const wsPolicy = ws.StatusPolicyViolation

// statusTryAgainLater is registered with IANA after RFC 6455, and in no
// constant of gobwas/ws.
const statusTryAgainLater ws.StatusCode = 1013

// resets reports whether a close with this cause resets the connection, which frees the kernel's
// memory for a client that does not read.
func resets(c Cause) bool { return c == Slow || c == PongTimeout || c == OutOfMemory }

// causeOf is the cause of a close with the code of a frame.Error.
func causeOf(code ws.StatusCode) Cause {
	switch code {
	case ws.StatusInvalidFramePayloadData:
		return BadText
	case ws.StatusMessageTooBig:
		return TooBig
	case ws.StatusPolicyViolation:
		return ControlFlood
	case statusTryAgainLater:
		return OutOfMemory
	}
	return ProtocolError
}

// The violations of limits that the frames themselves do not show.
var (
	errInputMemory    = &frame.Error{Code: statusTryAgainLater, Reason: "server is out of memory for unfinished messages"}
	errControlFlooded = &frame.Error{Code: ws.StatusPolicyViolation, Reason: "too many control frames"}
)

// closingOf is how a connection ends that has broken the protocol: with a Close frame, after which
// the server needs nothing more from the client.
func closingOf(e *frame.Error) closing {
	return closing{cause: causeOf(e.Code), code: e.Code, reason: e.Reason, frame: true, last: true}
}

// closingAnswer echoes the client's code (RFC 6455, section 5.5.1).
func closingAnswer(code ws.StatusCode, reason string) closing {
	return closing{cause: ClientClosed, code: code, reason: reason, frame: true, last: true}
}

// answerClose is the close that sends the answer.
func answerClose(e *refusal.Error) closing {
	return closing{cause: Refused, code: ws.StatusCode(e.Status), reason: e.Text, why: e.Why, answer: e.Answer(), last: true}
}
