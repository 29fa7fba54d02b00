package netpoll

import (
	"bytes"

	"golang.org/x/sys/unix"

	"webim/netpoll/internal/head"
	"webim/netpoll/internal/output"
)

// upgrade answers an upgrade and opens the connection. behind are the bytes after the head: frames
// that must not be lost.
func (s *Server) upgrade(w *worker, r *record, q *Request, behind []byte) (more bool) {
	if bad := q.check(); bad != nil {
		s.refuse(r, bad)
		return false
	}
	if bad := s.forwarded(r, q); bad != nil {
		s.refuse(r, bad)
		return false
	}
	answer, ext, bad := s.negotiate(q, w.answer[:0])
	if bad != nil {
		s.refuse(r, bad)
		return false
	}
	w.answer = answer
	r.mu.Lock()
	if r.w&wClosing != 0 { // the server is shutting down
		r.mu.Unlock()
		return false
	}
	if q.data != nil {
		s.extraLocked(r).data = q.data
	}
	// The answer must be first on the wire, but Open must be first in time: a client that has read
	// 101 must be in its room. So the write bit is held during Open, and frames that are pushed
	// meanwhile are queued. fOpen decides, under the lock, whether a close sends a Close frame or
	// an HTTP error.
	r.w |= wBit
	r.flags.Or(openFlags(ext))
	r.mu.Unlock()
	r.stage = stageOpen
	s.addrs.Opened(r.ip)
	s.stats.opened.Add(1)
	s.stats.open.Add(1)
	s.arm(r, s.firstPing(r))
	s.opening(r, q)
	s.answer(r, answer)
	if len(behind) > 0 && !s.inputOf(r).KeepReady(bytes.Clone(behind)) {
		return s.inputRefused(r)
	}
	if r.flags.Load()&fClosing != 0 {
		return false
	}
	return s.readOpen(w, r)
}

// openFlags returns the flags of a connection that opens.
func openFlags(ext head.Extension) uint32 {
	flags := fOpen | fFirst
	if ext.Deflate {
		flags |= fDeflate
	}
	if ext.Small {
		flags |= fSmallWindow
	}
	return flags
}

// answer writes the answer to an upgrade and releases the write bit, which is held. Frames that
// Open has pushed leave with it in one write. That is one TCP segment for the client, and half of
// the kernel's work for two.
func (s *Server) answer(r *record, answer []byte) {
	r.mu.Lock()
	if r.output == 0 || r.flags.Load()&(fAbort|fTLS) != 0 {
		r.mu.Unlock()
		s.writeFirst(r, answer)
		return
	}
	s.answerFirstLocked(r, answer)
	s.unlockWriter(r)
}

// answerFirstLocked queues the rest of an answer before everything else, marked as partly written
// even if nothing of it is written: a pong goes before all whole frames, and must not go before the
// 101.
func (s *Server) answerFirstLocked(r *record, rest []byte) {
	b := output.NewBuffer(bytes.Clone(rest))
	s.frontLocked(r, output.Ref{Buf: b, B: b.B}, true)
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
