package netpoll

import (
	"errors"
	"time"

	"webim/netpoll/internal/encode"
	"webim/netpoll/internal/frame"
	"webim/netpoll/internal/output"
	"webim/netpoll/internal/slab"
	"webim/netpoll/internal/wheel"
)

// checkDeadlines checks, on the turn, which deadline of a connection has come, does what it
// demands, and arms the wheel for the next deadline.
func (s *Server) checkDeadlines(r *record) {
	now, f := s.clock.Look(), r.flags.Load()
	switch {
	case f&fClosing != 0:
		if f&fArmed == 0 {
			return // closeTurn will set the deadline
		}
		if int32(now-r.deadline.Load()) >= 0 {
			s.expire(r)
			return
		}
		s.arm(r, r.deadline.Load())
		return
	case r.stage != stageOpen:
		if int32(now-r.deadline.Load()) >= 0 {
			s.beginClose(r, r.gen.Load(), closing{cause: HandshakeTimeout})
			return
		}
		s.arm(r, r.deadline.Load())
		return
	}
	next := now + s.ticks.idle
	for _, d := range [...]uint32{s.checkRest(r, now, f), s.checkOutput(r, now, f), s.checkInput(r, now), s.checkPeer(r, now, r.flags.Load())} {
		if d != 0 && int32(d-next) < 0 {
			next = d
		}
	}
	if r.flags.Load()&fClosing == 0 {
		s.arm(r, next)
	}
}

// checkOutput closes a connection whose socket has taken nothing for WriteTimeout. Otherwise it
// returns the tick of the next check; 0 means none is needed.
func (s *Server) checkOutput(r *record, now, f uint32) uint32 {
	cfg := s.cfg()
	if f&fBlocked == 0 || cfg.WriteTimeout < 0 {
		return 0
	}
	due := r.sent.Load() + cfg.ticks.write
	if int32(now-due) >= 0 {
		s.closeAs(r, r.gen.Load(), closing{cause: Slow})
		return 0
	}
	return due
}

// checkInput closes a connection with a message that has been unfinished for MessageTimeout.
// Otherwise it returns the tick of the next check; 0 means none is needed.
func (s *Server) checkInput(r *record, now uint32) uint32 {
	in, cfg := s.inputs.At(r.input), s.cfg()
	if in == nil || in.Dec.Idle() || cfg.MessageTimeout < 0 {
		return 0
	}
	due := in.Since + cfg.ticks.message
	if int32(now-due) >= 0 {
		s.beginClose(r, r.gen.Load(), closing{cause: Unfinished, code: wsPolicy, reason: "message stays unfinished", frame: true})
		return 0
	}
	return due
}

// maxHeartbeats is how many a server has; a connection names its one in two
// bits, of which 0 is the WebSocket ping.
const maxHeartbeats = 3

// NewHeartbeat makes a heartbeat that connections may have, three at most.
// Call it before the server listens.
func (s *Server) NewHeartbeat(h Heartbeat) (HeartbeatID, error) {
	switch {
	case h.Frame == nil || h.Interval < 100*time.Millisecond || h.Timeout < 0 || h.Timeout >= h.Interval:
		return 0, errors.New("netpoll: a heartbeat needs a frame, an interval of 100 ms or more, and a shorter timeout")
	case h.Timeout > 0 && !frame.Sendable(h.Code):
		return 0, errors.New("netpoll: a heartbeat's close code must be one that may be sent")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case len(s.listeners()) > 0:
		return 0, errors.New("netpoll: the server is listening already")
	case len(s.heartbeats) == maxHeartbeats:
		return 0, errors.New("netpoll: a server has three heartbeats at most")
	}
	timeout := uint32(0)
	if h.Timeout > 0 {
		timeout = s.clock.Ticks(h.Timeout)
	}
	s.heartbeats = append(s.heartbeats, activeHeartbeat{h, wheel.Every(s.clock.Ticks(h.Interval), timeout, true)})
	return HeartbeatID(len(s.heartbeats)), nil
}

// SetHeartbeat gives the connection one of its server's heartbeats. The first one comes within an
// interval, at the phase of the connection's ping group, so that the heartbeats of all connections
// are spread evenly. With id 0 the server sends WebSocket pings again. Only the connection's
// callbacks may call it.
func (c Conn) SetHeartbeat(id HeartbeatID) {
	if !c.lock() {
		return
	}
	defer c.r.mu.Unlock()
	if int(id) > len(c.s.heartbeats) || c.r.w&wDead != 0 { // in Close it is off the wheel
		return
	}
	c.r.flags.And(^(fHeartbeat | fPinged))
	c.r.flags.Or(uint32(id) << heartbeatShift & fHeartbeat)
	if id > 0 {
		b := &c.s.heartbeats[id-1]
		first := b.schedule.First(c.r.index, c.s.clock.Look()+b.schedule.Grain)
		c.r.deadline.Store(first - b.schedule.Interval) // as if the last one had been sent then
		c.r.flags.And(^fFirst)
		c.s.armBy(c.r, first)
	}
}

// heartbeatOf returns the heartbeat that a connection with the flags f has; nil for WebSocket pings.
func (s *Server) heartbeatOf(f uint32) *activeHeartbeat {
	if i := f & fHeartbeat >> heartbeatShift; i > 0 {
		return &s.heartbeats[i-1]
	}
	return nil
}

// scheduleOf returns the schedule of the heartbeat that a connection with the flags f has.
func (s *Server) scheduleOf(f uint32) *wheel.Schedule {
	if b := s.heartbeatOf(f); b != nil {
		return &b.schedule
	}
	return &s.cfg().pings
}

// unread are the flags of a connection that is not read, or that takes no output.
const unread = fProtected | fPaused | fHeld | fResting | fBlocked

// peerOf returns the state of an open connection that Schedule.Decide needs. deadline is the tick
// of its last heartbeat.
func (r *record) peerOf(now, f uint32) wheel.Peer {
	return wheel.Peer{Now: now, Seen: r.seen.Load(), Sent: r.deadline.Load(),
		First: f&fFirst != 0, Pinged: f&fPinged != 0, Unread: f&unread != 0, Readable: f&fReadable != 0}
}

// nextPing returns, without the connection's turn, the tick at which its heartbeat is due, if
// nothing else can be due. settled is false for all others: their deadlines are checked on a turn. It
// reads only atomics, so that a connection which has answered costs no turn.
func (s *Server) nextPing(r *record, now uint32) (due uint32, settled bool) {
	f := r.flags.Load()
	if f&(fOpen|fClosing|fUnfinished|unread) != fOpen {
		return 0, false
	}
	switch d := s.scheduleOf(f).Decide(r.peerOf(now, f)); d.Action {
	case wheel.Never:
		return now + s.ticks.idle, true
	case wheel.Wait:
		return d.At, true
	case wheel.Send:
		return now, true
	}
	return 0, false
}

// pingOnLoop sends the heartbeat that is due for a connection. It runs on the loop's goroutine, as
// a turn without a worker: to wake a worker costs as much as the ping. Such a turn neither calls a
// handler nor waits, because the heartbeat is all that checkDeadlines finds to do for a settled connection. If
// anything else is due by now, or another goroutine has the turn, a worker does it.
func (s *Server) pingOnLoop(r *record) {
	if !r.turn.TryBegin() {
		s.timeUp(r)
		return
	}
	if slab.InUse(r.gen.Load()) {
		if _, settled := s.nextPing(r, s.clock.Last.Load()); settled {
			s.checkDeadlines(r)
		} else {
			s.timeUp(r)
		}
	}
	if r.turn.Done(false) {
		s.ready.Push(r)
	}
}

// firstPing returns the tick of a new connection's first ping, which comes whatever the traffic:
// half an interval to one and a half intervals from now.
func (s *Server) firstPing(r *record) uint32 {
	now, cfg := s.clock.Look(), s.cfg()
	if cfg.pings.Interval == 0 {
		return now + s.ticks.idle
	}
	return cfg.pings.First(r.index, now+cfg.pings.Interval/2)
}

// checkPeer sends the heartbeat if it is due, and closes the connection if the answer is late. It
// returns the tick at which to decide again; 0: never.
func (s *Server) checkPeer(r *record, now, f uint32) uint32 {
	b, schedule := s.heartbeatOf(f), s.scheduleOf(f)
	d := schedule.Decide(r.peerOf(now, f))
	switch d.Action {
	case wheel.Never:
		return 0
	case wheel.Answer:
		return d.At
	case wheel.Late:
		c := closing{cause: PongTimeout}
		if b != nil {
			c = closing{cause: PongTimeout, code: b.Code, reason: b.Reason, frame: true, last: true}
		}
		s.beginClose(r, r.gen.Load(), c)
		return 0
	}
	r.flags.And(^fPinged)
	if d.Action == wheel.Wait {
		return d.At
	}
	r.flags.And(^fFirst)
	frame := encode.Ping
	if b != nil {
		frame = b.Frame.frame.Variant(encode.Variant(s.conn(r).Variant()), s.cfg().DeflateMin)
	}
	ok := s.ping(r, frame)
	if ok || schedule.Fixed {
		r.deadline.Store(now)
	}
	if ok && schedule.Timeout > 0 {
		r.flags.Or(fPinged)
	}
	return schedule.AfterSend(now, ok)
}

// ping queues a heartbeat and flushes, unless the connection is closing or its socket is full; it
// reports whether it did. A heartbeat does not count in MaxQueue: a client is slow only by the
// messages that were sent to it.
func (s *Server) ping(r *record, b *output.Buffer) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.w&(wClosing|wShut) != 0 || r.flags.Load()&fBlocked != 0 {
		return false
	}
	s.appendLocked(r, b)
	s.trips.Begin(slab.ID(r.index, r.gen.Load()), s.clock.Nanos())
	if r.w&wBit == 0 {
		s.flushLocked(r)
	}
	return true // the holder of the write bit looks at the queue again
}
