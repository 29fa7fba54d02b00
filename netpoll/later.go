package netpoll

import (
	"bytes"
	"sync"

	"webim/netpoll/internal/frame"
)

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

// kept is a message that the handler gets in a later turn.
type kept struct {
	frame.Event      // Op 0: none
	given       bool // the handler has had it, and has called Again
}

// keepEvent keeps a message for a later turn: a copy, unless nothing else uses its memory.
func (w *worker) keepEvent(ev frame.Event, given bool) {
	if !ev.Own {
		ev.Data, ev.Own = bytes.Clone(ev.Data), true
	}
	w.again = kept{ev, given}
}

// redeliver is decode for a message that was kept. b, the bytes behind it, waits. The message
// counts in the turn's budget: otherwise a handler that calls done at once could keep the worker
// for ever.
func (s *Server) redeliver(w *worker, r *record, b []byte) bool {
	ev := w.again
	w.again = kept{}
	w.left--
	if r.flags.Load()&fClosing != 0 {
		return w.keep(s, r, b)
	}
	if ev.given {
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
