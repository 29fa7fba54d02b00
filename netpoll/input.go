package netpoll

import (
	"sync/atomic"

	"webim/netpoll/internal/frame"
)

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

// hasInput reports whether an earlier turn has left something that can be handled
// without reading more.
func (s *Server) hasInput(r *record) bool {
	in := s.inputs.At(r.input)
	return in != nil && (in.ready || in.again.Op != 0)
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

// Unfinished input is everything that clients have sent and that is not a message yet: heads of
// requests, and parts of messages, frames and TLS records. Each client may hold some for a while,
// so the server counts all of it together, and Config.MaxUnfinished bounds it. At 7/8 of the limit
// the connections that hold most are closed, so that a few large holders cannot keep out many small
// ones. At the limit, each connection that wants more is closed.
//
// reserveInput adds n bytes to the count, or takes bytes away if n is negative. It reports whether
// the count is within the limit.
func (s *Server) reserveInput(n int) bool {
	total := s.unfinished.Add(int64(n))
	if n <= 0 {
		return true
	}
	if total > s.cfg.MaxUnfinished/8*7 {
		s.inputShedder.Wake()
	}
	return total <= s.cfg.MaxUnfinished
}

// hold sets the number of bytes that an input holds. It reports whether the count of all is within
// the limit.
func (in *input) hold(s *Server, held int) bool {
	grown := held - int(in.held.Swap(int64(held)))
	return s.reserveInput(grown)
}

// newInput makes a connection's input. It belongs to the turn, except held and owner, which
// shedInput reads.
func (s *Server) newInput(r *record) *input {
	in := &input{owner: s.conn(r)}
	r.input = s.inputs.Put(in)
	return in
}

// freeInput frees a connection's input.
func (s *Server) freeInput(r *record) {
	in := s.inputs.At(r.input)
	if in == nil {
		return
	}
	in.hold(s, 0)
	s.inputs.Drop(r.input)
	r.input = 0
	r.flags.And(^fUnfinished)
}

// inputRefused closes a connection whose input is over the limit.
func (s *Server) inputRefused(r *record) bool {
	if r.flags.Load()&fOpen != 0 {
		return s.failInput(r, errInputMemory)
	}
	s.freeInput(r)
	s.beginClose(r, r.gen.Load(), closing{cause: OutOfMemory})
	return false
}

// keepHead stores an unfinished head. MaxHead bounds it, and it is counted in MaxUnfinished.
func (s *Server) keepHead(r *record, b []byte, scanned, lines int) bool {
	in := s.inputs.At(r.input)
	if in == nil {
		in = s.newInput(r)
	}
	in.rest = append(in.rest[:0], b...)
	in.ready, in.scanned, in.lines = false, scanned, lines
	return in.hold(s, cap(in.rest))
}
