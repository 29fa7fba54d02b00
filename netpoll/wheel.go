package netpoll

import (
	"sync"
	"sync/atomic"
	"time"
)

// clock counts ticks since the server's start. Reading it is one load, so
// traffic can note when it was seen for free; a wheel moves it on. 100 ms in
// 32 bits last 13 years.
type clock struct {
	start time.Time
	tick  time.Duration
	now   atomic.Uint32
}

// time turns a tick into wall time.
func (c *clock) time(tick uint32) time.Time {
	return c.start.Round(0).Add(time.Duration(tick) * c.tick)
}

// nanos is the monotonic time since start, exact and 40 ns dear.
func (c *clock) nanos() int64 { return int64(time.Since(c.start)) }

// ticks turns a duration into ticks, rounded up.
func (c *clock) ticks(d time.Duration) uint32 {
	return uint32(max(1, (d+c.tick-1)/c.tick))
}

// wheelLink is a record's place on the wheel: a doubly linked list of record
// indexes, so that the record needs no pointer. Owned by the wheel's lock.
type wheelLink struct {
	prev, next int32 // record index + 1; 0: none
	due        uint32
	slot       uint16 // + 1; 0: not on the wheel
}

// wheelSlots ticks are one turn of the wheel; what is due later stays in its
// slot for another round.
const wheelSlots = 512

// wheel is the hashed timing wheel of one loop, after Varghese and Lauck: the
// handshake's, the heartbeat's, the blocked socket's and the close's deadline
// of a connection share one entry. Traffic does not touch it; an entry that
// turns out to be early is put back for later.
//
// It only queues turns: deadlines are judged by Server.judge on the turn.
type wheel struct {
	s     *Server
	mu    sync.Mutex
	at    uint32 // the last tick that was handled
	head  [wheelSlots]int32
	due   []*record // scratch of advance, as tasks
	tasks []task
}

// arm sets the record's deadline, earlier or later than before.
func (w *wheel) arm(r *record, due uint32) {
	w.mu.Lock()
	w.armLocked(r, due)
	w.mu.Unlock()
}

// armBy makes the record's deadline no later than due.
func (w *wheel) armBy(r *record, due uint32) {
	w.mu.Lock()
	if r.slot.slot == 0 || int32(due-r.slot.due) < 0 {
		w.armLocked(r, due)
	}
	w.mu.Unlock()
}

// remove takes the record off the wheel.
func (w *wheel) remove(r *record) {
	w.mu.Lock()
	w.unlinkLocked(r)
	w.mu.Unlock()
}

func (w *wheel) armLocked(r *record, due uint32) {
	w.unlinkLocked(r)
	if int32(due-w.at) <= 0 {
		due = w.at + 1 // that slot is being or has been handled
	}
	slot := due % wheelSlots
	l := &r.slot
	l.due, l.slot = due, uint16(slot)+1
	l.prev, l.next = 0, w.head[slot]
	if l.next != 0 {
		w.s.slab.at(uint32(l.next - 1)).slot.prev = int32(r.index) + 1
	}
	w.head[slot] = int32(r.index) + 1
}

func (w *wheel) unlinkLocked(r *record) {
	l := &r.slot
	if l.slot == 0 {
		return
	}
	if l.prev != 0 {
		w.s.slab.at(uint32(l.prev - 1)).slot.next = l.next
	} else {
		w.head[l.slot-1] = l.next
	}
	if l.next != 0 {
		w.s.slab.at(uint32(l.next - 1)).slot.prev = l.prev
	}
	l.slot = 0
}

// advance handles every tick up to now: entries that are due leave the wheel,
// and their turns are queued unless a look shows that nothing can be due.
func (w *wheel) advance(now uint32) {
	w.mu.Lock()
	for w.at != now {
		w.at++
		i := w.head[w.at%wheelSlots]
		for i != 0 {
			r := w.s.slab.at(uint32(i - 1))
			i = r.slot.next
			if r.slot.due != w.at {
				continue // another round
			}
			w.unlinkLocked(r)
			if later, ok := w.s.early(r, w.at); ok {
				w.armLocked(r, later)
			} else {
				w.due = append(w.due, r)
			}
		}
	}
	w.mu.Unlock()
	for i, r := range w.due {
		r.flags.Or(fTimer)
		if wakeTurn(&r.turn) {
			w.tasks = append(w.tasks, task{r: r})
		}
		w.due[i] = nil
	}
	w.due = w.due[:0]
	w.s.pool.pushAll(w.tasks)
	clear(w.tasks)
	w.tasks = w.tasks[:0]
}

// run turns the wheel until stop is closed; the first wheel moves the clock.
// easygo waits for events without a timeout, hence a goroutine of its own.
func (w *wheel) run(moveClock bool, stop <-chan struct{}) {
	defer w.s.running.Done()
	c := &w.s.clock
	t := time.NewTicker(c.tick)
	defer t.Stop()
	for {
		select {
		case <-stop:
			return
		case <-t.C:
		}
		now := uint32(time.Since(c.start) / c.tick)
		if moveClock {
			c.now.Store(now)
		}
		w.advance(now)
	}
}

// early reports, for an open connection that is busy or answered its ping,
// when its heartbeat is due next. It reads only atomics, so that a live
// connection costs no turn.
func (s *Server) early(r *record, now uint32) (due uint32, ok bool) {
	const settled = fOpen | fClosing | fBlocked | fPinged | fFirst | fUnfinished
	f := r.flags.Load()
	if b := s.beatOf(f); b != nil {
		return b.early(r, f, now)
	}
	if s.cfg.PingInterval < 0 || f&settled != fOpen {
		return 0, false
	}
	due = r.seen.Load() + s.ticks.ping
	return due, int32(due-now) > 0
}

// judge decides, on the turn, what a deadline means that may have come, and
// arms the wheel for the next one.
func (s *Server) judge(r *record) {
	now, f := s.clock.now.Load(), r.flags.Load()
	switch {
	case f&fClosing != 0:
		if f&fArmed == 0 {
			return // closeTurn will set the deadline
		}
		if int32(now-r.deadline.Load()) >= 0 {
			s.expire(r)
			return
		}
		s.wheelOf(r).arm(r, r.deadline.Load())
		return
	case r.stage != stageOpen:
		if int32(now-r.deadline.Load()) >= 0 {
			s.beginClose(r, r.gen.Load(), closing{cause: HandshakeTimeout})
			return
		}
		s.wheelOf(r).arm(r, r.deadline.Load())
		return
	}
	next := now + s.ticks.idle
	for _, d := range [...]uint32{s.judgeOutput(r, now, f), s.judgeInput(r, now), s.judgePeer(r, now, f)} {
		if d != 0 && int32(d-next) < 0 {
			next = d
		}
	}
	if r.flags.Load()&fClosing == 0 {
		s.wheelOf(r).arm(r, next)
	}
}

// judgeOutput closes a connection whose socket has taken nothing for
// WriteTimeout, and otherwise says when to look again (0: no need).
func (s *Server) judgeOutput(r *record, now, f uint32) uint32 {
	if f&fBlocked == 0 || s.cfg.WriteTimeout < 0 {
		return 0
	}
	due := r.sent.Load() + s.ticks.write
	if int32(now-due) >= 0 {
		s.closeAs(r, r.gen.Load(), closing{cause: Slow})
		return 0
	}
	return due
}

// judgeInput closes a connection whose message stays unfinished.
func (s *Server) judgeInput(r *record, now uint32) uint32 {
	in := s.inputs.at(r.input)
	if in == nil || in.dec.idle() || s.cfg.MessageTimeout < 0 {
		return 0
	}
	due := in.since + s.ticks.message
	if int32(now-due) >= 0 {
		s.beginClose(r, r.gen.Load(), closing{cause: Unfinished, code: wsPolicy, reason: "message stays unfinished", frame: true})
		return 0
	}
	return due
}

// judgePeer sees that the peer is there.
func (s *Server) judgePeer(r *record, now, f uint32) uint32 {
	if b := s.beatOf(f); b != nil {
		return s.beat(r, b, now, f)
	}
	return s.heartbeat(r, now, f)
}

// heartbeat sends a ping after silence and closes whoever does not answer.
// The first ping comes at a random moment of the interval, whatever the
// traffic, and so spreads those of clients that came together.
func (s *Server) heartbeat(r *record, now, f uint32) uint32 {
	if s.cfg.PingInterval < 0 {
		return 0
	}
	if f&(fProtected|fPaused|fHeld|fBlocked) != 0 {
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
	due := seen + s.ticks.ping
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
