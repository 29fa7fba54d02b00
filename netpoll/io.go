package netpoll

import (
	"sync/atomic"

	"webim/netpoll/internal/output"
	"webim/netpoll/internal/rawio"

	"golang.org/x/sys/unix"
)

const (
	// flushBudget is the number of bytes that one holder of the write bit writes before it lets
	// other turns run.
	flushBudget = 512 << 10
	// refWork is the least number of bytes of the budget that a reference costs: a queue of tiny
	// frames is work too.
	refWork = 64
)

// readSocket reads once, and counts.
func (s *Server) readSocket(r *record, b []byte) (int, unix.Errno) {
	n, errno := rawio.Read(int(r.fd), b)
	if n > 0 {
		atomic.AddUint64(&r.bytesIn, uint64(n))
		r.seen.Store(s.clock.Last.Load())
	}
	return n, errno
}

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
