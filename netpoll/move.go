package netpoll

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"webim/netpoll/internal/moving"
	"webim/netpoll/internal/slab"
	"webim/netpoll/snapshot"
)

// maxMoved is the number of connections that Export passes on at a time: the descriptors of one message
// (fdpass.MaxFDs).
const maxMoved = 253

// movedFlags are the flags that a connection has in the other process, too. The others come again by themselves: epoll
// reports the state of a socket that is registered anew, and a message that is kept is delivered again.
var movedFlags = [...]struct {
	own   uint32
	moved moving.Flags
}{
	{fOpen, moving.Opened}, {fDeflate, moving.Deflate}, {fSmallWindow, moving.SmallWindow}, {fPaused, moving.Paused}, {fProtected, moving.Protected},
	{fRestricted, moving.Restricted}, {fBackground, moving.Background}, {fResting, moving.Resting}, {fPinged, moving.Pinged}, {fFirst, moving.First},
	{fBlocked, moving.Blocked}, {fToldFull, moving.ToldFull}, {fFailed, moving.Failed}, {fClosing, moving.Closing}, {fLast, moving.Last},
	{fAbort, moving.Abort}, {fArmed, moving.Armed},
}

// movedStages are the stages in which a connection can move.
var movedStages = map[uint8]moving.Stage{stageHTTP: moving.Head, stageOpen: moving.Open, stageDrain: moving.Drain}

// State writes down everything that does not belong to a connection: the listeners, and the generations of the records, so
// that the ids of the other process go on above those of this one.
func (h *Held) State() []byte {
	var state moving.Server
	for _, ln := range h.s.listeners() {
		state.Listeners = append(state.Listeners, ln.describe())
	}
	for i := range h.s.slab.Len() {
		state.Generations = append(state.Generations, h.s.slab.At(i).gen.Load())
	}
	var e snapshot.Encoder
	state.Append(&e)
	return e.B
}

// Restore reads the State of the other process, before Adopt and before the server has had a connection. Connections of a
// listener that this server does not have go to its first one.
func (h *Held) Restore(state []byte) error {
	from, err := moving.ParseServer(state)
	if err == nil && h.s.slab.Len() > 0 {
		err = errors.New("netpoll: the server has had connections of its own")
	}
	if err != nil {
		return err
	}
	for _, other := range from.Listeners {
		own := slices.IndexFunc(h.s.listeners(), func(ln *listener) bool { return ln.describe() == other })
		h.listeners = append(h.listeners, max(0, own))
	}
	h.reserved = uint32(len(from.Generations))
	h.s.slab.Reserve(h.reserved)
	for i, gen := range from.Generations {
		h.s.slab.At(uint32(i)).gen.Continue((gen + 1) &^ 1)
	}
	return nil
}

// Export writes down the connections that can move, up to 253 at a time, takes their descriptors off epoll, and passes both
// to batch, which must not keep them. It returns how many move. The server must be frozen. An error of batch ends it; the
// caller then calls Thaw.
func (h *Held) Export(batch func(state []byte, fds []int) error) (moved int, err error) {
	var e snapshot.Encoder
	var fds []int
	now := h.s.clock.Look()
	for i := range h.conns {
		if c := &h.conns[i]; h.export(c, now, &e) {
			fds = append(fds, int(c.r.fd))
		}
		if len(fds) == maxMoved || len(fds) > 0 && i == len(h.conns)-1 {
			if err := batch(e.B, fds); err != nil {
				return moved, err
			}
			moved += len(fds)
			e.B, fds = e.B[:0], fds[:0]
		}
	}
	return moved, nil
}

// export writes a connection down, if it can move.
func (h *Held) export(c *heldConn, now uint32, e *snapshot.Encoder) bool {
	s, r := h.s, c.r
	m := moving.Conn{Stage: movedStages[r.stage]}
	open := r.flags.Load()&fOpen != 0
	mover, _ := s.handlerOf(r).(Mover)
	ok := s.canMove(r)
	if ok && open {
		ok = false
		s.guard("Export", func() {
			if mover != nil {
				m.Data, ok = mover.Export(s.conn(r), nil)
			}
		})
	}
	if !ok {
		if open && mover != nil {
			s.guard("Stay", func() { mover.Stay(s.conn(r)) })
		}
		return false
	}
	s.loops[r.loop].Unpark(int(r.fd))
	r.mu.Lock() // over Append, too: a close would drop the output
	defer r.mu.Unlock()
	s.describeLocked(r, now, &m)
	e.Message(1, m.Append)
	c.moves, c.parked, c.before = true, false, s.markLocked(r)
	return true
}

// canMove reports whether a frozen connection can move, as far as its handler agrees.
func (s *Server) canMove(r *record) bool {
	switch f := r.flags.Load(); {
	case f&fTLS != 0:
		return false
	case r.stage == stageHTTP:
		return f&fClosing == 0 && s.refusalOf(r) == ""
	}
	return r.flags.Load()&fOpen != 0
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
		m.Reason = x.reason
		if f&fResting != 0 {
			m.Rest = in(x.rest)
		}
	}
}

// Adopt takes connections that Export has written down, with their descriptors in the same order, which it owns from then
// on. The server must have the State of the other process, and be frozen. If fds is nil, it is a rehearsal: the
// connections have no sockets. After an error the caller calls Release, and the connections stay with the other process.
func (h *Held) Adopt(state []byte, fds []int) error {
	all, err := moving.ParseAll(state)
	if err == nil && fds != nil && len(all) != len(fds) {
		err = fmt.Errorf("netpoll: %d connections came with %d descriptors", len(all), len(fds))
	}
	for i := 0; i < len(all) && err == nil; i++ {
		fd := -1
		if len(fds) > 0 {
			fd, fds = fds[0], fds[1:]
		}
		err = h.adopt(all[i], fd)
	}
	for _, fd := range fds {
		unix.Close(fd)
	}
	return err
}

// adopt makes a connection. It owns the descriptor, also after an error.
func (h *Held) adopt(m *moving.Conn, fd int) error {
	s := h.s
	i, gen := slab.Split(m.ID)
	if i >= h.reserved || !slab.InUse(gen) || s.slab.At(i).gen.Load() != gen+1 || m.Listener >= len(h.listeners) || len(s.listeners()) == 0 {
		unix.Close(fd)
		return fmt.Errorf("netpoll: the connection %x does not belong to the state of its server", m.ID)
	}
	r, now := s.slab.At(i), s.clock.Look()
	r.fd, r.listener, r.loop = int32(fd), uint8(h.listeners[m.Listener]), uint8(s.nextLoop())
	r.ip, _ = s.addrs.Add(m.Addr.Addr(), 0, 0)
	r.port = m.Addr.Port()
	r.turn.Claim()
	r.gen.Continue(gen)
	s.restore(r, now, m)
	c := heldConn{r: r, turn: true, moves: true, parked: true}
	h.conns = append(h.conns, c)
	s.open.Add(1)
	if r.flags.Load()&fOpen != 0 {
		s.addrs.Opened(r.ip)
		s.stats.open.Add(1)
		if err := s.adopted(r, m.Data); err != nil {
			return fmt.Errorf("netpoll: taking over the connection %x: %w", m.ID, err)
		}
	} else {
		s.handshakes.Push(ID(m.ID), now)
	}
	s.arm(r, s.clock.At(m.Due, now))
	s.wake(r) // for input, output or a close under way
	if fd < 0 {
		return nil
	}
	return s.loops[r.loop].park(r)
}

// restore fills in a record with its tables, except for the data of the handler. Held has the turn and takes the write bit.
func (s *Server) restore(r *record, now uint32, m *moving.Conn) {
	at := func(in int64) uint32 { return s.clock.At(in, now) }
	for stage, moved := range movedStages {
		if moved == m.Stage {
			r.stage = stage
		}
	}
	r.opened = at(m.Begun)
	r.seen.Store(at(m.Seen))
	r.sent.Store(at(m.Sent))
	r.deadline.Store(at(m.Deadline))
	var f uint32
	for _, one := range movedFlags {
		if m.Flags&one.moved != 0 {
			f |= one.own
		}
	}
	if int(m.Heartbeat) <= len(s.heartbeats) {
		f |= uint32(m.Heartbeat) << heartbeatShift & fHeartbeat
	}
	r.bytesIn, r.messagesIn = m.BytesIn, m.MessagesIn
	f |= s.restoreInput(r, at(m.Since), m)
	r.flags.Store(f)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.bytesOut, r.messagesOut = m.BytesOut, m.MessagesOut
	r.w = wBit
	if f&fClosing != 0 {
		r.w |= wClosing
		r.cause, r.code = causeNamed(m.Cause), m.Code
	}
	if m.Flags&moving.Shut != 0 {
		r.w |= wShut
	}
	if m.Flags&moving.High != 0 {
		r.w |= wHigh
	}
	if len(m.Output.Frames)+len(m.Output.Pong) > 0 {
		s.outputLocked(r).Restore(m.Output)
	}
	if m.Reason != "" || f&fResting != 0 {
		x := s.extraLocked(r)
		x.reason, x.rest = m.Reason, at(m.Rest)
	}
}

// restoreInput fills in the unfinished input, and returns its flags.
func (s *Server) restoreInput(r *record, since uint32, m *moving.Conn) (f uint32) {
	part := m.Part()
	if len(m.Unread) == 0 && part.Empty() {
		return 0
	}
	part.Since = since
	in := s.newInput(s.conn(r))
	in.Keep(m.Unread, part)
	in.Scanned, in.Lines = m.Scanned, m.Lines
	r.input = s.inputs.Put(in)
	if !part.Dec.Idle() {
		f = fUnfinished
	}
	return f
}
