package netpoll

import (
	"errors"
	"time"

	"github.com/gobwas/ws"

	"webim/netpoll/internal/frame"
	"webim/netpoll/internal/slab"
)

// A Heartbeat replaces the WebSocket pings of some connections by a message of
// an application's protocol, whose clients know no other: it is sent every
// Interval whatever else flows, and whatever comes within Timeout answers it.
type Heartbeat struct {
	Frame    *Frame
	Interval time.Duration // at least 100 ms; may be shortened by 4 %, a second at most
	Timeout  time.Duration // for the answer, shorter than Interval; 0: nobody waits for one
	Code     ws.StatusCode // of the close when no answer comes
	Reason   string
}

// maxHeartbeats is how many a server has; a connection names its one in two
// bits, of which 0 is the WebSocket ping.
const maxHeartbeats = 3

// HeartbeatID names a heartbeat of a server; the zero value is the WebSocket
// ping.
type HeartbeatID uint8

// beat is a heartbeat as it is used.
type beat struct {
	Heartbeat
	interval, timeout, grain uint32 // ticks
}

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
	case s.state != idle:
		return 0, errors.New("netpoll: the server is listening already")
	case len(s.beats) == maxHeartbeats:
		return 0, errors.New("netpoll: a server has three heartbeats at most")
	}
	b := beat{Heartbeat: h}
	b.interval, b.grain = pace(s.clock.ticks(h.Interval))
	if h.Timeout > 0 {
		b.timeout = s.clock.ticks(h.Timeout)
	}
	s.beats = append(s.beats, b)
	return HeartbeatID(len(s.beats)), nil
}

// SetHeartbeat gives the connection a heartbeat of its server's, which begins
// within an interval, at a moment of its own that spreads those of all evenly; 0:
// WebSocket pings again. It is for the connection's callbacks.
func (c Conn) SetHeartbeat(id HeartbeatID) {
	if !c.lock() {
		return
	}
	defer c.r.mu.Unlock()
	if int(id) > len(c.s.beats) || c.r.w&wDead != 0 { // in Close it is off the wheel
		return
	}
	c.r.flags.And(^(fBeat | fPinged))
	c.r.flags.Or(uint32(id) << beatShift & fBeat)
	if id > 0 {
		// deadline is when the last ping was sent: somewhere in the past.
		now, b := c.s.clock.look(), &c.s.beats[id-1]
		first := moment(c.r.index, now+b.grain, b.interval, b.grain)
		c.r.deadline.Store(first - b.interval)
		c.r.flags.And(^fFirst)
		c.s.wheelOf(c.r).armBy(c.r, first)
	}
}

// beatOf is the connection's heartbeat, nil for WebSocket pings.
func (s *Server) beatOf(f uint32) *beat {
	if i := f & fBeat >> beatShift; i > 0 {
		return &s.beats[i-1]
	}
	return nil
}

// beat sends the next message of a heartbeat when it is due, and closes who has
// not answered the last. r.deadline is when that was sent.
func (s *Server) beat(r *record, b *beat, now, f uint32) uint32 {
	if f&(fProtected|fPaused|fHeld|fResting|fBlocked) != 0 {
		r.flags.And(^fPinged)
	} else if f&fPinged != 0 {
		if int32(r.seen.Load()-r.deadline.Load()) < 0 {
			due := r.deadline.Load() + b.timeout
			switch {
			case int32(now-due) < 0:
				return due
			case f&fReadable != 0:
				return now + 1 // its answer may be there: it was not read until now
			}
			s.beginClose(r, r.gen.Load(), closing{cause: PongTimeout, code: b.Code, reason: b.Reason, frame: true, last: true})
			return 0
		}
		r.flags.And(^fPinged)
	}
	if due := together(r.deadline.Load()+b.interval, b.grain); int32(now-due) < 0 {
		return due
	}
	r.deadline.Store(now)
	frame := b.Frame.variant(s.conn(r).Variant(), s.cfg.DeflateMin)
	if !s.ping(r, frame) || b.timeout == 0 {
		return together(now+b.interval, b.grain)
	}
	r.flags.Or(fPinged)
	return now + b.timeout
}

// nextPing tells, without the connection's turn, when its heartbeat is due if
// nothing else can be: it is open and busy, or has answered its last ping. It
// reads only atomics, so that a live connection costs no turn.
func (s *Server) nextPing(r *record, now uint32) (due uint32, settled bool) {
	const unsettling = fClosing | fBlocked | fUnfinished | fProtected | fPaused | fHeld | fResting
	f, seen := r.flags.Load(), r.seen.Load()
	if f&(fOpen|unsettling) != fOpen || f&fPinged != 0 && int32(seen-r.deadline.Load()) < 0 {
		return 0, false
	}
	b := s.beatOf(f)
	switch {
	case b != nil:
		return together(r.deadline.Load()+b.interval, b.grain), true
	case s.cfg.PingInterval < 0:
		return now + s.ticks.idle, true
	case f&fFirst != 0:
		return now, true
	}
	return together(seen+s.ticks.ping, s.ticks.grain), true
}

// beatNow is a turn for the heartbeat alone, without a worker: nothing of what
// judge does for a settled connection calls a handler or waits. Where more is to
// be judged by now, or somebody else has the turn, it is as for all others. Waking
// workers for the pings of 12,000 clients, and being woken by the answers to those
// meanwhile, cost as much as a fourth of sending them.
func (s *Server) beatNow(r *record) {
	if !r.turn.CompareAndSwap(turnIdle, turnRunning) {
		s.timeUp(r)
		return
	}
	if slab.InUse(r.gen.Load()) {
		if _, settled := s.nextPing(r, s.clock.now.Load()); settled {
			s.judge(r)
		} else {
			s.timeUp(r)
		}
	}
	if endTurn(&r.turn, false) {
		s.pool.push(task{r: r})
	}
}

// Much of what an idle client costs is not its ping but that somebody wakes up for
// it, and for its answer: so the pings of a second leave together, and whose answer
// has come by the time to look for it gets no turn.

// pace is how often pings are sent: at an interval that is a multiple of the grain,
// the ticks whose pings leave together, some 4 % of it and a rest at most.
func pace(interval uint32) (rounded, grain uint32) {
	grain = min(max(1, interval/25), rest)
	return together(interval, grain), grain
}

// together is the moment before that at which pings leave.
func together(tick, grain uint32) uint32 { return tick - tick%grain }

// neighbours are records that lie side by side and are pinged together: what is
// theirs lies side by side, too, here and in the kernel, and most of what a
// heartbeat costs is to fetch it. Against random moments that saved a tenth.
const neighbours = 64

// moment is the first after from at which a connection is pinged: each group of
// neighbours has its own of the interval, so clients that come together are spread
// evenly.
func moment(index, from, interval, grain uint32) uint32 {
	phase := index / neighbours * grain % interval
	return together(from+interval-(from+interval-phase)%interval, grain)
}

// firstPing is when a new connection gets its first ping, whatever its traffic:
// half to one and a half ping intervals from now.
func (s *Server) firstPing(r *record) uint32 {
	now := s.clock.look()
	if s.cfg.PingInterval < 0 {
		return now + s.ticks.idle
	}
	return moment(r.index, now+s.ticks.ping/2, s.ticks.ping, s.ticks.grain)
}

// heartbeat sends a ping after silence and closes whoever does not answer.
// The first ping comes at the connection's moment, whatever the traffic, and so
// spreads those of clients that came together.
func (s *Server) heartbeat(r *record, now, f uint32) uint32 {
	if s.cfg.PingInterval < 0 {
		return 0
	}
	if f&(fProtected|fPaused|fHeld|fResting|fBlocked) != 0 {
		// What we do not read we cannot judge; and a ping would wait behind
		// what the socket refuses, which WriteTimeout judges.
		r.flags.And(^fPinged)
		return now + s.ticks.ping
	}
	seen := r.seen.Load()
	if f&fPinged != 0 && int32(seen-r.deadline.Load()) < 0 {
		due := r.deadline.Load() + s.ticks.pong
		switch {
		case int32(now-due) < 0:
			// The answer may come long before that, and the next ping be due.
			return now + min(s.ticks.ping, due-now)
		case f&fReadable != 0:
			return now + 1 // its answer may be there: it was not read until now
		}
		s.beginClose(r, r.gen.Load(), closing{cause: PongTimeout})
		return 0
	}
	due := together(seen+s.ticks.ping, s.ticks.grain)
	if f&fFirst == 0 && int32(now-due) < 0 {
		r.flags.And(^fPinged)
		return due
	}
	r.flags.And(^fFirst)
	if !s.ping(r, pingBuffer) {
		return now + s.ticks.ping
	}
	r.flags.Or(fPinged)
	r.deadline.Store(now)
	return now + min(s.ticks.ping, s.ticks.pong)
}

// ping sends the heartbeat's ping, if the socket takes anything. It is not held
// to MaxQueue: whoever is judged slow is so for what others sent him.
func (s *Server) ping(r *record, b *buffer) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.w&(wClosing|wShut) != 0 || r.flags.Load()&fBlocked != 0 {
		return false
	}
	s.appendLocked(s.outputLocked(r), b, b.b)
	if r.w&wBit == 0 {
		s.flushLocked(r)
	}
	return true // who has the write bit looks at the queue again
}
