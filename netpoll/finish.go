package netpoll

import (
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// resets reports whether a close with this cause resets the connection, which frees the kernel's
// memory for a client that does not read.
func resets(c Cause) bool { return c == Slow || c == PongTimeout || c == OutOfMemory }

// finish ends a connection on its turn, unless another goroutine is writing; then that goroutine
// wakes the turn again.
func (s *Server) finish(r *record) (more bool) {
	r.mu.Lock()
	if r.w&wBit != 0 {
		r.w |= wAgain
		r.mu.Unlock()
		return false
	}
	r.w |= wBit | wDead | wClosing
	s.dropOutputLocked(r)
	cause, code, reason := r.cause, r.code, ""
	x := s.extras.At(r.extra)
	if x != nil {
		reason = x.reason
	}
	r.mu.Unlock()
	s.freeInput(r)
	s.loops[r.loop].unpark(int(r.fd))
	s.loops[r.loop].wheel.Remove(r.index)
	if resets(cause) && r.flags.Load()&fAbort != 0 {
		unix.SetsockoptLinger(int(r.fd), unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	}
	unix.Close(int(r.fd))
	if x != nil && x.tls != nil {
		s.endTLS(x.tls)
	}
	opened := r.flags.Load()&fOpen != 0
	s.stats.closed[cause].Add(1)
	var why refusal
	if x != nil {
		why = x.refuse
	}
	if why != "" {
		s.refusing.Add(-1) // first: see clients
	}
	s.open.Add(-1)
	if opened {
		s.stats.open.Add(-1)
		s.closed(r, Closed{Cause: cause, Code: code, Reason: reason})
	}
	ip := r.ip
	s.forget(r)
	s.countOut(ip, why, opened) // last: Info shows the address until then
	return false
}

// countOut takes a connection out of its address's counts. A refused connection is not in them,
// except one that is refused only because the server stops.
func (s *Server) countOut(ip uint32, why refusal, opened bool) {
	if why == "" || why == refuseStopping {
		s.addrs.Remove(ip, !opened)
	} else {
		s.addrs.Forget(ip)
	}
}

// forget returns the record to the slab under a new generation. Handles to the connection are
// invalid from here on. Nothing refers to the record any more: it is off the wheel, and the ready
// list refers to the turn, not to the connection.
func (s *Server) forget(r *record) {
	r.mu.Lock()
	s.extras.Drop(r.extra)
	r.gen.End()
	r.flags.Store(0)
	r.w, r.cause, r.code = 0, causeNone, 0
	r.output, r.extra, r.tag = 0, 0, 0
	s.stats.addTrafficLocked(r)
	r.bytesOut, r.messagesOut = 0, 0
	atomic.StoreUint64(&r.bytesIn, 0)
	atomic.StoreUint64(&r.messagesIn, 0)
	r.mu.Unlock()
	r.input, r.controls, r.controlAt = 0, 0, 0
	r.deadline.Store(0)
	r.stage = stageFree
	s.slab.Put(r.index)
}
