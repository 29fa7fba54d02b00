package netpoll

import (
	"bytes"

	"github.com/gobwas/ws"

	"webim/netpoll/internal/frame"
	"webim/netpoll/internal/output"
)

// The queue of a connection exists only while it is not empty, in Server.outputs, under the record's
// lock.

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

// pong answers a ping, on the turn. While the output is blocked, one pong is pending. It answers the
// latest ping (RFC 6455, section 5.5.3), so a client that sends pings and does not read makes nothing
// grow.
func (s *Server) pong(w *worker, r *record, payload []byte) {
	r.mu.Lock()
	if r.w&(wClosing|wShut) != 0 {
		r.mu.Unlock()
		return
	}
	w.control = frame.Append(w.control[:0], ws.OpPong, payload)
	free := r.w&wBit == 0
	if free && r.output == 0 && r.flags.Load()&fTLS == 0 {
		r.w |= wBit
		r.mu.Unlock()
		s.writeFirst(r, w.control)
		return
	}
	defer r.mu.Unlock()
	if free && r.flags.Load()&fBlocked == 0 {
		s.appendLocked(r, output.NewBuffer(bytes.Clone(w.control))) // leaves at the end of the turn
		return
	}
	s.outputLocked(r).SetPong(w.control)
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
