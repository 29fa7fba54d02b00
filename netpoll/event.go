package netpoll

import (
	"sync/atomic"
	"unicode/utf8"

	"webim/netpoll/internal/frame"
	"webim/netpoll/internal/unfinished"

	"github.com/gobwas/ws"
)

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
	if r.stopped() || w.turnMustEnd(r) {
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

// deliver gives one event to the handler, or answers it.
func (s *Server) deliver(w *worker, r *record, ev frame.Event) *frame.Error {
	closing := r.flags.Load()&fClosing != 0
	switch ev.Op {
	case ws.OpText, ws.OpBinary:
		if !closing {
			atomic.AddUint64(&r.messagesIn, 1)
			bytes, answered := len(ev.Data), w.answered
			w.message(r, ev)
			w.noteMessage(bytes, answered)
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

// controlAllowed counts control frames by the second.
func (s *Server) controlAllowed(r *record) bool {
	cfg := s.cfg()
	if cfg.ControlRate < 0 {
		return true
	}
	second := uint8(s.clock.Look() / s.ticks.second)
	if second != r.controlAt {
		r.controlAt, r.controls = second, 0
	}
	r.controls++
	return int(r.controls) <= min(cfg.ControlRate, 1<<16-2)
}

// inflateEvent replaces the data of a compressed event by its inflated content, in the worker's
// memory. If small is set and the content is larger than largeMessage, it leaves the event as it
// is.
func (w *worker) inflateEvent(ev *frame.Event, max int, small bool) *frame.Error {
	most := max
	if small {
		most = min(max, largeMessage)
	}
	out, err := frame.Inflate(w.inflate[:0], ev.Data, most)
	w.cost.Inflated += len(out) // whatever the result
	if err == frame.ErrTooBig && most < max {
		return nil
	}
	if err != nil {
		return err
	}
	ev.Data, ev.Compressed = out, false
	// A large message's memory is not kept: idle workers are idle memory too.
	if w.inflate = out; cap(out) > readSize {
		w.inflate = nil
	}
	ev.Own = w.inflate == nil
	if ev.Op == ws.OpText && !utf8.Valid(out) {
		return frame.ErrUTF8
	}
	return nil
}

// message gives a message to the handler, and keeps it if the handler calls Again.
func (w *worker) message(r *record, ev frame.Event) {
	if r.flags.Load()&fAgain != 0 {
		r.flags.And(^fAgain) // of an Again out of place
	}
	w.s.message(r, ev.Op, ev.Data)
	f := r.flags.Load()
	if f&fAgain == 0 {
		return
	}
	r.flags.And(^fAgain)
	if f&fClosing != 0 {
		return // also after a panic
	}
	w.keepEvent(ev, true)
}

// redeliver is decode for a message that was kept. b, the bytes behind it, waits. The message
// counts in the turn's budget: otherwise a handler that calls done at once could keep the worker
// for ever.
func (s *Server) redeliver(w *worker, r *record, b []byte) bool {
	ev := w.in.Again
	w.in.Again = unfinished.Kept{}
	w.left--
	if r.flags.Load()&fClosing != 0 {
		return w.keep(s, r, b)
	}
	if ev.Given {
		w.message(r, ev.Event)
		s.charge(w, r) // the handler may have made much of it
	} else if err := s.take(w, r, ev.Event, s.maxMessageOf(r)); err != nil { // it had to wait
		return s.failInput(r, err)
	}
	if w.turnMustEnd(r) {
		w.left = 0
	}
	return w.keep(s, r, b)
}
