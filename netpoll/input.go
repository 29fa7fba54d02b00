package netpoll

import (
	"bytes"

	"webim/netpoll/internal/frame"
	"webim/netpoll/internal/unfinished"
)

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

// keepEvent keeps a message for a later turn: a copy, unless nothing else uses its memory.
func (w *worker) keepEvent(ev frame.Event, given bool) {
	if !ev.Own {
		ev.Data, ev.Own = bytes.Clone(ev.Data), true
	}
	w.in.Again = unfinished.Kept{Event: ev, Given: given}
}

// failInput fails the connection. If it is closing already, further errors of the client only end the
// wait for its Close frame.
func (s *Server) failInput(r *record, err *frame.Error) bool {
	s.freeInput(r)
	if r.flags.Load()&fClosing != 0 {
		r.flags.Or(fLast)
		s.wake(r)
		return false
	}
	s.fail(r, err)
	return false
}
