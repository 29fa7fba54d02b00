package netpoll

import (
	"errors"
	"math/rand/v2"
	"time"

	"github.com/gobwas/ws"
)

// A Heartbeat replaces the WebSocket pings of some connections by a message of
// an application's protocol, whose clients know no other: it is sent every
// Interval whatever else flows, and whatever comes within Timeout answers it.
type Heartbeat struct {
	Frame    *Frame
	Interval time.Duration // at least 100 ms
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
	interval, timeout uint32 // ticks
}

// NewHeartbeat makes a heartbeat that connections may have, three at most.
// Call it before the server listens.
func (s *Server) NewHeartbeat(h Heartbeat) (HeartbeatID, error) {
	switch {
	case h.Frame == nil || h.Interval < 100*time.Millisecond || h.Timeout < 0 || h.Timeout >= h.Interval:
		return 0, errors.New("netpoll: a heartbeat needs a frame, an interval of 100 ms or more, and a shorter timeout")
	case h.Timeout > 0 && !sendableCode(h.Code):
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
	b := beat{Heartbeat: h, interval: s.clock.ticks(h.Interval)}
	if h.Timeout > 0 {
		b.timeout = s.clock.ticks(h.Timeout)
	}
	s.beats = append(s.beats, b)
	return HeartbeatID(len(s.beats)), nil
}

// SetHeartbeat gives the connection a heartbeat of its server's, which begins
// at a random moment of its interval; 0: WebSocket pings again. It is for the
// connection's callbacks.
func (c Conn) SetHeartbeat(id HeartbeatID) {
	if !c.lock() {
		return
	}
	defer c.r.mu.Unlock()
	if int(id) > len(c.s.beats) {
		return
	}
	c.r.flags.And(^(fBeat | fPinged))
	c.r.flags.Or(uint32(id) << beatShift & fBeat)
	if id > 0 {
		// deadline is when the last ping was sent: somewhere in the past.
		now, b := c.s.clock.now.Load(), &c.s.beats[id-1]
		first := together(now + beatGrain + rand.Uint32N(b.interval))
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
	if f&(fProtected|fPaused|fHeld|fBlocked) != 0 {
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
	if due := together(r.deadline.Load() + b.interval); int32(now-due) < 0 {
		return due
	}
	r.deadline.Store(now)
	frame := b.Frame.variant(s.conn(r).Variant(), s.cfg.DeflateMin)
	if !s.ping(r, frame) || b.timeout == 0 {
		return together(now + b.interval)
	}
	r.flags.Or(fPinged)
	return now + b.timeout
}

// early is Server.early for a connection with a heartbeat: whose ping has been
// answered need not be looked at before the next is due.
func (b *beat) early(r *record, f, now uint32) (due uint32, ok bool) {
	const settled = fOpen | fClosing | fBlocked | fFirst | fUnfinished | fProtected | fPaused | fHeld
	sent := r.deadline.Load()
	if f&settled != fOpen || f&fPinged != 0 && int32(r.seen.Load()-sent) < 0 {
		return 0, false
	}
	due = together(sent + b.interval)
	return due, int32(due-now) > 0
}

// beatGrain is the ticks that beats are sent in common.
const beatGrain = 4

// together is the moment before that at which beats leave. Most of what an idle
// client costs is not its ping but that somebody wakes up for it: so those of
// 400 ms leave together, are answered together, and whose answer has come by
// then gets no turn to look for it. Measured with 15,000 clients and a ping
// every 25 s: 0.91 µs a second and client, from 2.27.
func together(tick uint32) uint32 { return tick - tick%beatGrain }
