package netpoll

import (
	"errors"
	"fmt"
	"slices"

	"webim/netpoll/internal/flight"
	"webim/netpoll/internal/moving"
	"webim/netpoll/internal/slab"
	"webim/netpoll/snapshot"

	"golang.org/x/sys/unix"
)

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

// State writes down everything that does not belong to a connection: the listeners, the generations of the records, so
// that the ids of the other process go on above those of this one, and the table of latest events.
func (h *Held) State() []byte {
	var state moving.Server
	for _, ln := range h.s.listeners() {
		state.Listeners = append(state.Listeners, ln.describe())
	}
	for i := range h.s.slab.Len() {
		state.Generations = append(state.Generations, h.s.slab.At(i).gen.Load())
	}
	state.Flights = h.s.exportFlights()
	var e snapshot.Encoder
	state.Append(&e)
	return e.B
}

// Restore reads the State of the other process, before Adopt and before the server has had a connection. Connections of a
// listener that this server does not have go to its first one.
func (h *Held) Restore(state []byte) error {
	from, err := moving.ParseServer(state)
	if err == nil && h.s.slab.Len() > 0 && h.borrowed == nil {
		err = errors.New("netpoll: the server has had connections of its own")
	}
	if err != nil {
		return err
	}
	for _, other := range from.Listeners {
		own := slices.IndexFunc(h.s.listeners(), func(ln *listener) bool { return ln.describe() == other })
		h.listeners = append(h.listeners, max(0, own))
	}
	if len(from.Generations) < len(h.borrowed) {
		return errors.New("netpoll: a connection was lent that the state does not know")
	}
	h.reserved = uint32(len(from.Generations))
	h.pauseLoops()
	h.conns = make([]heldConn, 0, h.reserved)
	h.s.slab.Reserve(h.reserved)
	for i, gen := range from.Generations {
		if i < len(h.borrowed) && h.borrowed[i] != 0 && h.borrowed[i] != slab.ID(uint32(i), gen) {
			h.returnSocket(i) // now: there may be no room for one more descriptor
		}
		h.s.slab.At(uint32(i)).gen.Continue((gen + 1) &^ 1)
	}
	h.s.restoreFlights(from.Flights)
	return nil
}

// Adopt takes connections that Export has written down, with their descriptors in the same order, which it owns from then
// on. The server must have the State of the other process, and be frozen. If fds is nil, the
// connections have no sockets, and the state is only tried. Adopt registers the connections with epoll while the caller goes on: see Adopted. After an
// error the caller calls Release, and the connections stay with the other process.
func (h *Held) Adopt(state []byte, fds []int) error {
	conns, err := h.reader.Parse(state)
	need := 0
	for i := range conns {
		if conns[i].Flags&moving.Lent == 0 {
			need++
		}
	}
	if err == nil && fds != nil && need != len(fds) {
		err = fmt.Errorf("netpoll: %d connections that need descriptors came with %d", need, len(fds))
	}
	first := len(h.conns)
	for i := 0; i < len(conns) && err == nil; i++ {
		m, fd := &conns[i], -1
		if len(fds) > 0 && m.Flags&moving.Lent == 0 {
			fd, fds = fds[0], fds[1:]
		}
		err = h.adopt(m, fd)
	}
	for _, fd := range fds {
		unix.Close(fd)
	}
	if some := h.conns[first:]; err == nil {
		h.parking.Go(func() { h.park(some) })
	}
	return err
}

// park registers adopted connections with epoll.
func (h *Held) park(conns []heldConn) {
	for _, c := range conns {
		if c.parked || c.r.fd < 0 {
			continue
		}
		if err := h.s.loops[c.r.loop].park(c.r); err != nil {
			h.failed.CompareAndSwap(nil, &err)
			return
		}
	}
}

// Adopted waits until all adopted connections are registered with epoll, and gives back the sockets that were lent and not adopted.
// After an error the caller calls Release, as after one of Adopt.
func (h *Held) Adopted() error {
	h.parking.Wait()
	h.reader = moving.Reader{}
	h.returnSockets()
	if err := h.failed.Load(); err != nil {
		return *err
	}
	return nil
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
	borrowed, lent := int(i) < len(h.borrowed) && h.borrowed[i] == m.ID, m.Flags&moving.Lent != 0
	switch {
	case lent && !borrowed:
		return fmt.Errorf("netpoll: the socket of the connection %x has not come", m.ID)
	case lent:
		h.borrowed[i] = 0
	default:
		if borrowed {
			h.returnSocket(int(i))
		}
		r.fd, r.loop = int32(fd), uint8(s.nextLoop())
	}
	r.listener = uint8(h.listeners[m.Listener])
	r.ip, _ = s.addrs.Add(m.Addr.Addr(), 0, 0)
	r.port = m.Addr.Port()
	taken, _ := r.turn.Claim() // not if a socket has had this record, and its last turn is on the ready list
	r.gen.Continue(gen)
	if !lent {
		r.flags.Store(0) // another socket may have had this record
	}
	s.restore(r, now, m)
	h.conns = append(h.conns, heldConn{r: r, turn: taken || lent, moves: true, parked: lent})
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
	if r.input != 0 || r.output != 0 || r.flags.Load()&fClosing != 0 {
		s.wake(r) // epoll tells of the rest
	}
	return nil
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
	r.flags.Or(f) // a socket that was lent may have had events
	r.mu.Lock()
	defer r.mu.Unlock()
	r.bytesOut, r.messagesOut = m.BytesOut, m.MessagesOut
	r.link.Own = uint16(flight.Round(int64(m.RoundTrip)))
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
	if len(m.Output.Refs)+len(m.Output.Pong) > 0 {
		s.outputLocked(r).Restore(m.Output)
	}
	if m.Reason != "" || m.HighWater > 0 || f&fResting != 0 {
		x := s.extraLocked(r)
		x.reason, x.rest, x.high = m.Reason, at(m.Rest), uint32(m.HighWater)
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
