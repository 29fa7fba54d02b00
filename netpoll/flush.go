package netpoll

import (
	"bytes"

	"webim/netpoll/internal/output"

	"golang.org/x/sys/unix"
)

// flush writes the queue, unless another goroutine is writing it.
func (s *Server) flush(r *record, gen uint32) {
	r.mu.Lock()
	if r.gen.Load() != gen {
		r.mu.Unlock()
		return
	}
	if r.w&wBit != 0 {
		r.w |= wAgain
		r.mu.Unlock()
		return
	}
	s.flushLocked(r)
	r.mu.Unlock()
}

// flushLocked takes the write bit and writes until the queue is empty, the
// socket is full or the budget is spent. The lock is released over each call.
func (s *Server) flushLocked(r *record) {
	if r.output == 0 && r.flags.Load()&fTLS == 0 {
		return
	}
	r.w |= wBit
	s.drainLocked(r)
	s.endWriteLocked(r)
}

// unlockWriter ends a write outside flushLocked: it writes the bytes that were queued meanwhile,
// releases the write bit, and unlocks.
func (s *Server) unlockWriter(r *record) {
	if r.output != 0 {
		s.drainLocked(r)
	}
	s.endWriteLocked(r)
	r.mu.Unlock()
}

// endWriteLocked lets the write bit go. Pushes made meanwhile are written
// already, for drainLocked looks at the queue until it is empty; but a turn may
// have found the bit taken: that of a closing connection, or one that brought
// the only edge which tells that a full socket has room again.
func (s *Server) endWriteLocked(r *record) {
	again := r.w&wAgain != 0
	r.w &^= wBit | wAgain
	if again {
		r.flags.Or(fWritable)
		s.wake(r)
	}
}

// drainLocked is the writing itself, with the bit held.
//
// When a write takes nothing, fBlocked is set before the write is tried once more. Otherwise
// readable would ignore an edge that came between the failure and the setting of fBlocked, and no
// other edge would come.
func (s *Server) drainLocked(r *record) {
	if r.flags.Load()&fTLS != 0 {
		s.drainTLSLocked(r)
		return
	}
	var batch [maxIovecs]output.Ref
	fd, retried := int(r.fd), r.flags.Load()&fBlocked != 0
	for budget := flushBudget; ; {
		o := s.outputs.At(r.output)
		if o == nil {
			break
		}
		o.QueuePong()
		if len(o.Live()) == 0 {
			s.noteWatermarkLocked(r, o)
			s.freeOutputLocked(r, o)
			break
		}
		if budget <= 0 {
			// No edge will come for a socket that is not full.
			r.flags.Or(fWritable)
			s.wake(r)
			return
		}
		refs := batch[:copy(batch[:], o.Live())]
		r.mu.Unlock()
		n, errno := s.writev(fd, refs)
		r.mu.Lock()
		if n > 0 {
			r.bytesOut += uint64(n)
			r.sent.Store(s.clock.Last.Load())
			budget -= max(n, refWork*len(refs))
			if o = s.outputs.At(r.output); o == nil {
				break // dropped meanwhile: the connection is closing
			}
			o.Consume(n)
			s.noteWatermarkLocked(r, o)
			continue
		}
		if errno == unix.EAGAIN && !retried {
			retried = true
			s.blockedLocked(r)
			continue
		}
		s.failedLocked(r, errno)
		return
	}
	r.flags.And(^fBlocked)
}

// cork makes pushes wait for uncork, which writes them together.
func (r *record) cork() {
	r.mu.Lock()
	r.w |= wCork
	r.mu.Unlock()
}

// hasOutput reports whether output of the connection is queued.
func (r *record) hasOutput() bool {
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

// writeFirst writes b before the queue, and releases the write bit, which is held.
func (s *Server) writeFirst(r *record, b []byte) {
	n, errno := 0, unix.Errno(0)
	if r.flags.Load()&fTLS == 0 {
		n, errno = s.write(int(r.fd), b)
	}
	r.mu.Lock()
	if n > 0 {
		r.bytesOut += uint64(n)
		r.sent.Store(s.clock.Last.Load())
	}
	if n < len(b) && r.flags.Load()&fAbort == 0 {
		s.answerFirstLocked(r, b[n:])
		s.failedLocked(r, errno)
	}
	s.unlockWriter(r)
}

// answerFirstLocked queues the rest of an answer before everything else, marked as partly written
// even if nothing of it is written: a pong goes before all whole frames, and must not go before the
// 101.
func (s *Server) answerFirstLocked(r *record, rest []byte) {
	b := output.NewBuffer(bytes.Clone(rest))
	s.frontLocked(r, output.Ref{Buf: b, B: b.B}, true)
}
