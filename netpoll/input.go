package netpoll

import (
	"bytes"
	"sync"

	"webim/netpoll/internal/frame"
	"webim/netpoll/internal/unfinished"
)

// input is the bytes that a connection has sent and that cannot be used yet. It exists only while
// there are any, in Server.inputs, and belongs to the turn, except owner and Held, which shedInput
// reads.
type input struct {
	unfinished.Input
	owner Conn
}

// newInput makes an input of a connection.
func (s *Server) newInput(owner Conn) *input {
	in := &input{owner: owner}
	in.SetTotal(&s.unfinished)
	return in
}

// inputOf returns the input of a connection. It makes one if there is none.
func (s *Server) inputOf(r *record) *input {
	if in := s.inputs.At(r.input); in != nil {
		return in
	}
	in := s.newInput(s.conn(r))
	r.input = s.inputs.Put(in)
	return in
}

// hasInput reports whether an earlier turn has left something that can be handled
// without reading more.
func (s *Server) hasInput(r *record) bool {
	in := s.inputs.At(r.input)
	return in != nil && in.HasWork()
}

// takeRest copies the input that was kept into the worker's buffer, and prepares the worker's
// decoder.
func (w *worker) takeRest(s *Server, r *record) []byte {
	in := s.inputs.At(r.input)
	if in == nil {
		w.in = unfinished.Part{}
		return nil
	}
	w.in = in.Part
	return w.buf[:copy(w.buf, in.Rest)]
}

// keep stores the input that a later turn needs, if there is any, and counts it. If the input of
// all connections is over the limit, it fails the connection and returns false.
func (w *worker) keep(s *Server, r *record, rest []byte) bool {
	if len(rest) == 0 && w.in.Empty() {
		s.freeInput(r)
		return true
	}
	if w.in.Dec.Idle() {
		r.flags.And(^fUnfinished)
	} else if r.flags.Or(fUnfinished)&fUnfinished == 0 {
		if cfg := s.cfg(); cfg.MessageTimeout > 0 {
			s.armBy(r, w.in.Since+cfg.ticks.message)
		}
	}
	ok := s.inputOf(r).Keep(rest, w.in)
	w.in.Again = unfinished.Kept{}
	return ok || s.inputRefused(r)
}

// freeInput frees a connection's input.
func (s *Server) freeInput(r *record) {
	in := s.inputs.At(r.input)
	if in == nil {
		return
	}
	in.Uncount()
	s.inputs.Drop(r.input)
	r.input = 0
	r.flags.And(^fUnfinished)
}

// inputRefused closes a connection with input over the limit.
func (s *Server) inputRefused(r *record) bool {
	if r.flags.Load()&fOpen != 0 {
		return s.failInput(r, errInputMemory)
	}
	s.freeInput(r)
	s.beginClose(r, r.gen.Load(), closing{cause: OutOfMemory})
	return false
}

// Again, called in Handler.Message, says that the handler cannot take the message yet. The server
// keeps the message as it is when Message returns, and calls Message with it once more after done
// was called, before everything that the client has sent behind it. Any goroutine may call done,
// once or more often. Meanwhile the connection is not read, as with Later, and no worker waits.
//
// A message that is kept counts in Config.MaxUnfinished, under which its connection may be closed
// as OutOfMemory, but not in MessageTimeout. It is dropped if the connection closes first: then
// done does nothing. Called anywhere else, Again is Later.
func (c Conn) Again() (done func()) {
	if !c.lock() {
		return func() {}
	}
	c.holdLocked()
	c.r.flags.Or(fAgain)
	c.r.mu.Unlock()
	return sync.OnceFunc(c.release)
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

// keepEvent keeps a message for a later turn: a copy, unless nothing else uses its memory.
func (w *worker) keepEvent(ev frame.Event, given bool) {
	if !ev.Own {
		ev.Data, ev.Own = bytes.Clone(ev.Data), true
	}
	w.in.Again = unfinished.Kept{Event: ev, Given: given}
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

// Later, called in Handler.Open or Handler.Message, stops the decoding of this connection's
// messages until done is called. Any goroutine may call done, once or more often. No worker waits
// meanwhile. If a callback calls Later twice, both functions must be called. As with Pause, the
// client's end is not noticed before.
func (c Conn) Later() (done func()) {
	if !c.lock() {
		return func() {}
	}
	c.holdLocked()
	c.r.mu.Unlock()
	return sync.OnceFunc(c.release)
}

func (c Conn) holdLocked() {
	c.s.extraLocked(c.r).held++
	c.r.flags.Or(fHeld)
}

// release takes back one Later or Again.
func (c Conn) release() {
	if !c.lock() {
		return
	}
	x := c.s.extraLocked(c.r)
	x.held--
	if x.held == 0 {
		c.r.flags.And(^fHeld)
	}
	c.r.mu.Unlock()
	c.s.wake(c.r)
}
