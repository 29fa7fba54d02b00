package netpoll

import (
	"math"
	"time"
)

// Timer is what Tick and After return.
type Timer struct {
	s *Server
	t *time.Timer
}

// After calls f once, after d, on a goroutine of its own, unless the timer is
// stopped or the server has ended: while Shutdown drains, timers go on. A panic
// of f is logged and counted, and ends nothing else. Swoole's after.
func (s *Server) After(d time.Duration, f func()) *Timer {
	t := &Timer{s: s}
	return t.arm(d, func() {
		t.Stop()
		s.guard("After", f)
	})
}

// Tick calls f every d until it is stopped or the server has ended; one call
// at a time: a call that takes longer than d delays the next, and after one that
// panics, which is logged and counted, the next one comes all the same. Swoole's
// tick.
//
// Whole seconds are counted from the server's making, as those of its deadlines
// are: the first call may come up to a second early, and a process with nothing to
// do wakes up once a second, however much there is to look at.
func (s *Server) Tick(d time.Duration, f func()) *Timer {
	t := &Timer{s: s}
	return t.arm(s.clock.InStep(d), func() {
		s.guard("Tick", f)
		t.s.mu.Lock()
		defer t.s.mu.Unlock()
		if _, ok := t.s.timers[t]; ok {
			t.t.Reset(s.clock.InStep(d))
		}
	})
}

func (t *Timer) arm(d time.Duration, f func()) *Timer {
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	t.t = time.AfterFunc(math.MaxInt64, f) // not before it is among the timers
	if t.s.timers == nil {
		t.t.Stop() // the server has ended
		return t
	}
	t.s.timers[t] = struct{}{}
	t.t.Reset(d)
	return t
}

// stopTimersLocked ends all timers; none starts any more. Server.mu is held.
func (s *Server) stopTimersLocked() {
	for t := range s.timers {
		t.t.Stop()
	}
	s.timers = nil
}

// Stop ends the timer; a call that has begun goes on. Swoole's clear.
func (t *Timer) Stop() {
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	t.t.Stop()
	delete(t.s.timers, t)
}
