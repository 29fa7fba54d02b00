package netpoll

import (
	"webim/netpoll/internal/output"
	"webim/netpoll/internal/rawio"
)

// The queue of a connection exists only while it is not empty, in Server.outputs, under the record's
// lock.

// maxIovecs references go into one write.
const maxIovecs = rawio.MaxIovecs

// outputLocked returns the queue of a connection. It makes one if there is none.
func (s *Server) outputLocked(r *record) *output.Queue {
	if q := s.outputs.At(r.output); q != nil {
		return q
	}
	q := output.New(&s.queued)
	r.output = s.outputs.Put(q)
	return q
}

// freeOutputLocked lets go of a queue that is empty.
func (s *Server) freeOutputLocked(r *record, q *output.Queue) {
	s.forgetOutputLocked(r)
	q.Free()
}

func (s *Server) forgetOutputLocked(r *record) {
	s.outputs.Drop(r.output)
	r.output = 0
}

// appendLocked queues a buffer at the end.
func (s *Server) appendLocked(r *record, b *output.Buffer) { s.outputLocked(r).Append(b, b.B) }

// frontLocked puts the rest of a write before all else. cut says that a part of it is written.
func (s *Server) frontLocked(r *record, rest output.Ref, cut bool) {
	q := s.outputLocked(r)
	q.Front(rest, cut)
	s.noteWatermarkLocked(r, q)
}

// dropOutputLocked forgets all that is queued.
func (s *Server) dropOutputLocked(r *record) {
	q := s.outputs.At(r.output)
	if q == nil {
		return
	}
	s.forgetOutputLocked(r)
	q.Drop(r.w&wBit != 0)
	r.flags.And(^fBlocked)
}

// trimLocked drops the queue, except a frame that is partly written, and the references that a
// write may be taking at this time.
func (s *Server) trimLocked(r *record) {
	q := s.outputs.At(r.output)
	if q == nil {
		return
	}
	writing := 0
	if r.w&wBit != 0 {
		writing = maxIovecs
	}
	q.Trim(writing)
}

// noteWatermarkLocked notes that the queue has crossed a watermark. The turn tells the handler, as it
// makes all calls of the handler.
func (s *Server) noteWatermarkLocked(r *record, q *output.Queue) {
	high, cfg := r.w&wHigh != 0, s.cfg()
	if !high && q.Cost() > cfg.HighWater {
		r.w |= wHigh
	} else if high && q.Cost() < cfg.LowWater {
		r.w &^= wHigh
		q.EndExempt()
	} else {
		return
	}
	r.flags.Or(fWatermark)
	s.wake(r)
}

// heldLocked returns the number of bytes that wait for a connection, whether for room in the socket
// or for the end of the turn.
func (s *Server) heldLocked(r *record) (n int) {
	if o := s.outputs.At(r.output); o != nil {
		n = o.Size()
	}
	if x := s.extras.At(r.extra); x != nil && x.tls != nil {
		n += x.tls.Pending()
	}
	return n
}

// lagLocked returns the number of bytes that the socket has refused: frames and ciphertext. Bytes
// that wait for the end of a turn, or that are being written, do not count, because nobody has
// refused them.
func (s *Server) lagLocked(r *record) int {
	if r.flags.Load()&fBlocked == 0 {
		return 0
	}
	return s.heldLocked(r)
}

// weightLocked returns about the number of bytes that the end of a connection would free:
// everything that only this connection waits for, and its share of the buffers that others wait for
// too. With the lag alone, a connection that waits for a broadcast would be closed before one that
// hoards.
func (s *Server) weightLocked(r *record) (n int) {
	if o := s.outputs.At(r.output); o != nil {
		n = o.Weight()
	}
	if x := s.extras.At(r.extra); x != nil && x.tls != nil {
		n += x.tls.Pending()
	}
	return n
}

// tlsPending reports whether ciphertext waits to be written. r.mu is held, or the caller holds the
// turn.
func (s *Server) tlsPending(r *record) bool {
	if r.flags.Load()&fTLS == 0 {
		return false
	}
	return s.extras.At(r.extra).tls.Pending() > 0
}
