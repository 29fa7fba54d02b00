package netpoll

import (
	"sync/atomic"

	"webim/netpoll/internal/flight"
	"webim/netpoll/internal/moving"
	"webim/netpoll/internal/slab"

	"golang.org/x/sys/unix"
)

// maxMoved is the number of connections that Export passes on at a time: the descriptors of one message
// (fdpass.MaxFDs).
const maxMoved = 253

// maxState is the number of bytes after which Export passes on fewer connections. So the other process takes them over while this
// one writes more, and clients that do not read cost no buffer of the size of all that waits for them.
const maxState = 1 << 20

// Export writes down the connections that can move, up to 253 at a time, and passes that and their descriptors to batch, which
// must not keep them. Descriptors that are lent are not among them. It returns how many move. The server must be frozen. An error of
// batch ends it; the caller then calls Thaw. shares says that the other process knows output that connections share, as this one does.
func (h *Held) Export(shares bool, batch func(state []byte, fds []int) error) (moved int, err error) {
	w := moving.Writer{Shares: shares}
	var fds []int
	n := 0
	h.stayed = 0
	defer func() { h.data, h.conn = nil, moving.Conn{} }()
	now := h.s.clock.Look()
	for i := range h.conns {
		if c := &h.conns[i]; h.export(c, now, &w) {
			n++
			if !h.s.lent.has(c.r) {
				fds = append(fds, int(c.r.fd))
			}
		}
		if n == maxMoved || n > 0 && (len(w.Part()) >= maxState || i == len(h.conns)-1) {
			if err := batch(w.Part(), fds); err != nil {
				return moved, err
			}
			moved += n
			w.Reset()
			fds, n = fds[:0], 0
		}
	}
	return moved, nil
}

// Stayed returns the number of open connections that Export has not written down.
func (h *Held) Stayed() int { return h.stayed }

// export writes a connection down, if it can move.
func (h *Held) export(c *heldConn, now uint32, w *moving.Writer) bool {
	s, r := h.s, c.r
	m := &h.conn
	*m = moving.Conn{Stage: movedStages[r.stage]}
	open := r.flags.Load()&fOpen != 0
	mover, _ := s.handlerOf(r).(Mover)
	ok := s.canMove(r)
	if ok && open {
		ok = false
		s.guard("Export", func() {
			if mover != nil {
				m.Data, ok = mover.Export(s.conn(r), h.data[:0])
			}
		})
	}
	h.data = m.Data
	if !ok {
		if open {
			h.stayed++
		}
		if open && mover != nil {
			s.guard("Stay", func() { mover.Stay(s.conn(r)) })
		}
		return false
	}
	r.mu.Lock() // over Conn, too: a close would drop the output
	defer r.mu.Unlock()
	s.describeLocked(r, now, m)
	if s.lent.has(r) {
		m.Flags |= moving.Lent
	}
	w.Conn(m)
	c.moves, c.before = true, s.markLocked(r)
	return true
}

// canMove reports whether a frozen connection can move, as far as its handler agrees.
func (s *Server) canMove(r *record) bool {
	switch f := r.flags.Load(); {
	case f&fTLS != 0:
		return false
	case r.stage == stageHTTP:
		return f&fClosing == 0 && s.refusalOf(r) == ""
	default:
		return f&fOpen != 0
	}
}

// describeLocked fills in everything but the stage and the data of the handler.
func (s *Server) describeLocked(r *record, now uint32, m *moving.Conn) {
	in := func(tick uint32) int64 { return s.clock.In(tick, now) }
	m.ID, m.Listener, m.Addr = slab.ID(r.index, r.gen.Load()), int(r.listener), s.addrs.AddrPort(r.ip, r.port)
	m.Begun, m.Seen, m.Sent, m.Deadline = in(r.opened), in(r.seen.Load()), in(r.sent.Load()), in(r.deadline.Load())
	if due, ok := s.loops[r.loop].wheel.Due(r.index); ok {
		m.Due = in(due)
	}
	f := r.flags.Load()
	m.Heartbeat = uint8(f & fHeartbeat >> heartbeatShift)
	for _, one := range movedFlags {
		if f&one.own != 0 {
			m.Flags |= one.moved
		}
	}
	m.BytesIn, m.MessagesIn = atomic.LoadUint64(&r.bytesIn), atomic.LoadUint64(&r.messagesIn)
	if unread := s.inputs.At(r.input); unread != nil {
		m.SetInput(&unread.Input)
		m.Since = in(unread.Since)
	}
	m.BytesOut, m.MessagesOut = r.bytesOut, r.messagesOut
	m.RoundTrip = uint64(flight.Rounded(r.link.Own).Int())
	if f&fClosing != 0 {
		m.Cause, m.Code = r.cause.String(), r.code
	}
	if r.w&wShut != 0 {
		m.Flags |= moving.Shut
	}
	if r.w&wHigh != 0 {
		m.Flags |= moving.High
	}
	if q := s.outputs.At(r.output); q != nil {
		m.Output = q.State()
	}
	if x := s.extras.At(r.extra); x != nil {
		m.Reason, m.HighWater = x.reason, int(x.high)
		if f&fResting != 0 {
			m.Rest = in(x.rest)
		}
	}
}

// Commit checks that the other process has everything. After Commit, and once that process knows, the caller calls
// Release. After an error, it ends the other process and calls Thaw.
func (h *Held) Commit() error {
	for i := range h.conns {
		c := &h.conns[i]
		c.r.mu.Lock()
		now := h.s.markLocked(c.r)
		c.r.mu.Unlock()
		if c.moves && c.before != now {
			return ErrChanged
		}
	}
	return nil
}

// Release leaves the connections that were exported or adopted to the other process, without a call of the handler. It
// closes the listeners and keeps the paths of Unix sockets. The connections that stay go on: Shutdown closes them.
func (h *Held) Release() {
	h.giveBack()
	h.s.TakeBack()
	for _, ln := range h.s.listeners() {
		ln.mu.Lock()
		unix.Close(ln.fd) // it is not watched
		ln.fd, ln.file = -1, nil
		ln.mu.Unlock()
		ln.http.Release() // before a turn brings a request
	}
	for i := range h.conns {
		if c := &h.conns[i]; c.moves {
			h.s.letGo(c)
		} else {
			h.thaw(c)
		}
	}
	h.end()
}

// letGo ends a connection that another process has, without a word to its client or its handler.
func (s *Server) letGo(c *heldConn) {
	r := c.r
	s.loops[r.loop].wheel.Remove(r.index)
	if r.fd >= 0 {
		s.loops[r.loop].Unpark(int(r.fd))
		unix.Close(int(r.fd)) // no shutdown(2), which would end the other process's, too
	}
	r.mu.Lock()
	r.w |= wDead | wClosing
	s.dropOutputLocked(r)
	r.mu.Unlock()
	s.freeInput(r)
	opened := r.flags.Load()&fOpen != 0
	s.open.Add(-1)
	if opened {
		s.stats.open.Add(-1)
	}
	ip := r.ip
	s.forget(r)
	s.addrs.Remove(ip, !opened)
	if c.turn && r.turn.Done(false) {
		s.ready.Push(r)
	}
}
