package netpoll

import (
	"golang.org/x/sys/unix"

	"webim/netpoll/internal/output"
	"webim/netpoll/internal/rawio"
)

const (
	// flushBudget is the number of bytes that one holder of the write bit writes before it lets
	// other turns run.
	flushBudget = 512 << 10
	// maxIovecs references go into one write.
	maxIovecs = rawio.MaxIovecs
	// refWork is the least number of bytes of the budget that a reference costs: a queue of tiny
	// frames is work too.
	refWork = 64
)

// write offers b to the socket, once.
func (s *Server) write(fd int, b []byte) (int, unix.Errno) {
	if c := s.writeLimit; c > 0 && len(b) > c {
		b = b[:c]
	}
	return rawio.Write(fd, b)
}

// writev is write for several references.
func (s *Server) writev(fd int, refs []output.Ref) (int, unix.Errno) {
	if len(refs) == 1 || s.writeLimit > 0 {
		return s.write(fd, refs[0].B)
	}
	var iov [maxIovecs]unix.Iovec
	for i := range refs {
		iov[i] = rawio.Iovec(refs[i].B)
	}
	return rawio.Writev(fd, iov[:len(refs)])
}

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

// blockedLocked marks the socket as full and sees that it is judged if it
// stays so.
func (s *Server) blockedLocked(r *record) {
	if r.flags.Or(fBlocked)&fBlocked != 0 {
		return
	}
	now := s.clock.Look()
	r.sent.Store(now) // from now on the socket takes nothing of its output
	if cfg := s.cfg(); cfg.WriteTimeout > 0 {
		s.armBy(r, now+cfg.ticks.write)
	}
	s.noteFullLocked(r)
}

// failedLocked looks at a write that took nothing. A full socket is no
// failure; any other error means that the client is gone, which the turn
// reports: it may still have sent something that is to be read first.
func (s *Server) failedLocked(r *record, errno unix.Errno) {
	if errno == 0 || errno == unix.EAGAIN {
		return
	}
	s.dropOutputLocked(r)
	r.w |= wShut
	r.flags.Or(fFailed | fReadable | fHangup)
	s.wake(r)
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
