package netpoll

import (
	"math"
	"time"
)

// Timer is a timer of Tick or After.
type Timer struct {
	s *Server
	t *time.Timer
}

// After calls f once, after d, on a goroutine of its own, unless the timer is stopped or the server
// has ended. While Shutdown drains, timers go on. A panic of f is logged and counted, and ends
// nothing else. Swoole's after.
func (s *Server) After(d time.Duration, f func()) *Timer {
	t := &Timer{s: s}
	return t.arm(d, func() {
		t.Stop()
		s.guard("After", f)
	})
}

// Tick calls f every d until it is stopped or the server has ended. It makes one call at a time, so
// a call that takes longer than d delays the next. After a call that panics, which is logged and
// counted, the next one comes all the same. Swoole's tick.
//
// If d is a number of whole seconds, calls come at whole seconds since the server was made, as its
// deadlines do. So the first call may come up to a second early, and a process with nothing to do
// wakes up once a second, however many timers it has.
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
	t.t = time.AfterFunc(math.MaxInt64, f) // it must be among the timers before it can fire
	if t.s.timers == nil {
		t.t.Stop() // the server has ended
		return t
	}
	t.s.timers[t] = struct{}{}
	t.t.Reset(d)
	return t
}

// stopTimersLocked stops all timers. No timer starts after it. Server.mu is held.
func (s *Server) stopTimersLocked() {
	for t := range s.timers {
		t.t.Stop()
	}
	s.timers = nil
}

// Stop stops the timer. A call that has begun goes on. Swoole's clear.
func (t *Timer) Stop() {
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	t.t.Stop()
	delete(t.s.timers, t)
}
