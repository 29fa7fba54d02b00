package netpoll

import (
	"sync/atomic"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"

	"webim/netpoll/internal/frame"
	"webim/netpoll/internal/rawio"
	"webim/netpoll/internal/slab"
)

// readBudget is how many bytes a turn reads from the socket before it ends, and
// messageBudget how many messages it hands to the handler; a compressed one counts
// once more for each inflateWork bytes that it becomes, which may be a thousand times
// what was read, and any message as the handler says (Conn.Spent). What the client has
// sent beyond that waits for the turns of others; see Server.weigh.
const (
	readBudget    = 4 * readSize
	messageBudget = 256
	inflateWork   = 4 << 10
)

// largeMessage is the size of a message that takes a worker a millisecond or more, by the work that
// a handler may do with its bytes; see Verdict.LargeBehind.
const largeMessage = 64 << 10

// input is the bytes that a connection has sent and that cannot be used yet. It exists only while
// there are any, in Server.inputs, and belongs to the turn.
type input struct {
	rest    []byte        // bytes that are not used: an unfinished head, header or control frame
	ready   bool          // rest may hold a whole frame: decode before reading more
	scanned int           // of an HTTP head, how much has been searched
	lines   int           // of an HTTP head, how many
	dec     frame.Decoder // the unfinished message
	again   kept          // a message to deliver before everything else
	since   uint32        // tick when it began
	owner   Conn
	held    atomic.Int64 // bytes counted in Server.unfinished
}

// turn does the work of a connection: deadlines, output that was blocked, input, its close. It
// reports whether there is more.
func (w *worker) turn(r *record) (more bool) {
	s := w.s
	if !slab.InUse(r.gen.Load()) {
		return false // a stale event of a connection that is gone
	}
	f := r.flags.Load()
	if f&fTimer != 0 {
		r.flags.And(^fTimer)
		s.checkDeadlines(r)
	}
	if f&fWritable != 0 {
		r.flags.And(^fWritable)
		s.flush(r, r.gen.Load())
	}
	if r.flags.Load()&fClosing == 0 {
		switch r.stage {
		case stageTLS:
			more = s.readHello(w, r)
		case stageHTTP:
			more = s.readHead(w, r)
		case stageOpen:
			more = s.readOpen(w, r)
		}
		// A failed write is reported here, after the input that came before it.
		f = r.flags.Load()
		if f&(fFailed|fClosing) == fFailed && (f&fReadable == 0 || s.stopped(r)) {
			s.beginClose(r, r.gen.Load(), closing{cause: ClientGone})
		}
	}
	if r.flags.Load()&fWatermark != 0 {
		s.tellWatermark(r)
	}
	if r.flags.Load()&fClosing != 0 {
		return s.closeTurn(w, r)
	}
	return more
}

// readOpen reads and decodes until the socket is empty, the budget is spent or the connection is
// paused. Frames that the handler pushes meanwhile leave together at the end.
func (s *Server) readOpen(w *worker, r *record) (more bool) {
	gen, resumed := r.gen.Load(), s.hasInput(r)
	s.cork(r)
	more = s.readMessages(w, r)
	s.chargeOutstanding(w, r) // also of a message that broke a rule
	s.weigh(r, more, resumed)
	if s.hasOutput(r) {
		w.RunFew(&r.turn)
	}
	s.uncork(r, gen)
	return more
}

// hasInput reports whether an earlier turn has left something that can be handled
// without reading more.
func (s *Server) hasInput(r *record) bool {
	in := s.inputs.At(r.input)
	return in != nil && (in.ready || in.again.Op != 0)
}

func (s *Server) readMessages(w *worker, r *record) (more bool) {
	w.left = messageBudget
	if r.flags.Load()&fYield != 0 {
		r.flags.And(^fYield) // of the last turn
	}
	w.meter, w.cost = s.meterOf(r), Cost{}
	for end := r.bytesIn + readBudget; r.bytesIn < end && w.left > 0; {
		if s.stopped(r) {
			return false
		}
		b := w.takeRest(s, r)
		if w.again.Op != 0 {
			if !s.redeliver(w, r, b) {
				return false
			}
			continue
		}
		if len(b) == 0 || !w.ready {
			n, end := s.fill(w, r, len(b))
			if n == 0 {
				w.keep(s, r, b)
				if end {
					s.gone(r)
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

// stopped reports whether reading must wait: for Resume, for done, or for the end of
// a rest. Whoever clears the flag wakes the turn, and fReadable still stands.
func (s *Server) stopped(r *record) bool {
	f := r.flags.Load()
	return f&(fPaused|fHeld|fResting) != 0 && f&fClosing == 0
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

// readSocket reads once, and counts.
func (s *Server) readSocket(r *record, b []byte) (int, unix.Errno) {
	n, errno := rawio.Read(int(r.fd), b)
	if n > 0 {
		atomic.AddUint64(&r.bytesIn, uint64(n))
		r.seen.Store(s.clock.Last.Load())
	}
	return n, errno
}

// gone ends a connection after the end of its stream without a Close frame.
func (s *Server) gone(r *record) {
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

// takeRest copies the input that was kept into the worker's buffer, and prepares the worker's
// decoder.
func (w *worker) takeRest(s *Server, r *record) []byte {
	in := s.inputs.At(r.input)
	if in == nil {
		w.dec, w.ready, w.since, w.again = frame.Decoder{}, false, 0, kept{}
		return nil
	}
	w.dec, w.ready, w.since, w.again = in.dec, in.ready, in.since, in.again
	return w.buf[:copy(w.buf, in.rest)]
}

// decode hands whole messages to the handler; it reports whether to go on.
// What is left over is kept.
func (s *Server) decode(w *worker, r *record, b []byte) bool {
	lim := frame.Limits{MaxMessage: s.maxMessageOf(r), MaxFragments: s.cfg.MaxFragments, Deflate: r.flags.Load()&fDeflate != 0}
	began := w.dec.Idle()
	w.ready = false
	for len(b) > 0 {
		ev, n, err := w.dec.Next(b, lim)
		if err != nil {
			return s.broken(r, err)
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
			return s.broken(r, err)
		}
		if w.left <= 0 || w.again.Op != 0 || s.stopped(r) || w.turnMustEnd(r) {
			w.ready = len(b) > 0
			break
		}
		lim.MaxMessage = s.maxMessageOf(r) // the message may have ended Restrict
	}
	s.chargeOutstanding(w, r)
	if w.turnMustEnd(r) {
		w.left = 0
	}
	if began && !w.dec.Idle() {
		w.since = s.clock.Look()
	}
	return w.keep(s, r, b)
}

// take delivers an event, inflated. If its connection must rest first, or if the
// message has to wait in the background, it is kept as it came, for later.
func (s *Server) take(w *worker, r *record, ev frame.Event, max int) *frame.Error {
	small := ev.Op.IsControl() || len(ev.Data) <= largeMessage
	if !ev.Compressed && (small || w.meter == nil) {
		return s.deliver(w, r, ev)
	}
	if r.flags.Load()&fClosing != 0 {
		return nil // nobody wants it any more
	}
	// The debt of the last message stops the next before it costs anything.
	v := s.charge(w, r)
	if s.stopped(r) || w.turnMustEnd(r) {
		w.keepEvent(ev, false)
		return nil
	}
	if small = v.LargeBehind && !w.InBackground(); small && len(ev.Data) > largeMessage {
		w.keepBehind(r, ev)
		return nil
	}
	if !ev.Compressed {
		return s.deliver(w, r, ev)
	}
	if err := w.inflateEvent(&ev, max, small); err != nil {
		return err
	}
	if ev.Compressed { // its content is large
		s.charge(w, r)
		w.keepBehind(r, ev)
		return nil
	}
	w.left -= len(ev.Data) / inflateWork
	err := s.deliver(w, r, ev)
	s.charge(w, r)
	return err
}

// broken fails the connection. If it is closing already, further errors of the client only end the
// wait for its Close frame.
func (s *Server) broken(r *record, err *frame.Error) bool {
	s.freeInput(r)
	if r.flags.Load()&fClosing != 0 {
		r.flags.Or(fLast)
		s.wake(r)
		return false
	}
	s.fail(r, err)
	return false
}

// keep stores the input that a later turn needs, if there is any, and counts it. If the input of
// all connections is over the limit, it fails the connection and returns false.
func (w *worker) keep(s *Server, r *record, rest []byte) bool {
	if len(rest) == 0 && w.dec.Idle() && w.again.Op == 0 {
		s.freeInput(r)
		return true
	}
	in := s.inputs.At(r.input)
	if in == nil {
		in = s.newInput(r)
	}
	if w.dec.Idle() {
		r.flags.And(^fUnfinished)
	} else if s.cfg.MessageTimeout > 0 && r.flags.Or(fUnfinished)&fUnfinished == 0 {
		s.armBy(r, w.since+s.ticks.message)
	}
	in.rest = append(in.rest[:0], rest...)
	in.dec, in.ready, in.since, in.again = w.dec, w.ready, w.since, w.again
	w.again = kept{}
	return in.hold(s, cap(in.rest)+in.dec.Held()+cap(in.again.Data)) || s.inputRefused(r)
}

// deliver gives one event to the handler, or answers it.
func (s *Server) deliver(w *worker, r *record, ev frame.Event) *frame.Error {
	closing := r.flags.Load()&fClosing != 0
	switch ev.Op {
	case ws.OpText, ws.OpBinary:
		if !closing {
			atomic.AddUint64(&r.messagesIn, 1)
			w.message(r, ev)
		}
		return nil
	case ws.OpClose:
		code, reason, err := frame.ParseClose(ev.Data)
		if err != nil {
			return err
		}
		if closing {
			r.flags.Or(fLast) // the answer to our Close
			s.wake(r)
			return nil
		}
		s.beginClose(r, r.gen.Load(), closingAnswer(code, string(reason)))
		return nil
	}
	if closing {
		return nil
	}
	if !s.controlAllowed(r) {
		return errControlFlooded
	}
	switch {
	case ev.Op == ws.OpPing:
		w.cost.Controls++
		s.pong(w, r, ev.Data)
		return nil
	case s.answered(r):
		w.cost.Bytes -= len(ev.Data) + pongHeaderLen
		w.cost.Frames--
	default:
		w.cost.Controls++
	}
	s.ponged(r, ev.Data)
	return nil
}

// pongHeaderLen is the header of a client's pong: 2 bytes and the mask.
const pongHeaderLen = 6

// closingAnswer echoes the client's code (RFC 6455, section 5.5.1).
func closingAnswer(code ws.StatusCode, reason string) closing {
	return closing{cause: ClientClosed, code: code, reason: reason, frame: true, last: true}
}

// controlAllowed counts control frames by the second.
func (s *Server) controlAllowed(r *record) bool {
	if s.cfg.ControlRate < 0 {
		return true
	}
	second := uint8(s.clock.Look() / s.ticks.second)
	if second != r.controlAt {
		r.controlAt, r.controls = second, 0
	}
	r.controls++
	return int(r.controls) <= min(s.cfg.ControlRate, 1<<16-2)
}

// cork makes pushes wait for uncork, which writes them together.
func (s *Server) cork(r *record) {
	r.mu.Lock()
	r.w |= wCork
	r.mu.Unlock()
}

// hasOutput reports whether output of the connection is queued.
func (s *Server) hasOutput(r *record) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.output != 0
}

func (s *Server) uncork(r *record, gen uint32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.w &^= wCork
	if r.gen.Load() == gen && r.w&wBit == 0 && r.flags.Load()&fBlocked == 0 && (r.output != 0 || s.tlsPending(r)) {
		s.flushLocked(r)
	}
}
