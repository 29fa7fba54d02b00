package netpoll

import "time"

// Timer is what Tick and After return.
type Timer struct {
	s *Server
	t *time.Timer
}

// After calls f once, after d, on a goroutine of its own, unless the timer is
// stopped or the server shuts down. A panic of f is logged and counted, and
// ends nothing else. Swoole's after.
func (s *Server) After(d time.Duration, f func()) *Timer {
	t := &Timer{s: s}
	return t.arm(d, func() {
		t.Stop()
		s.guard("After", f)
	})
}

// Tick calls f every d until it is stopped or the server shuts down; one call
// at a time: a call that takes longer than d delays the next, and after one that
// panics, which is logged and counted, the next one comes all the same. Swoole's
// tick.
//
// Whole seconds are counted from the server's making, as those of its deadlines
// are: the first call may come up to a second early, and a process with nothing to
// do wakes up once a second, however much there is to look at.
func (s *Server) Tick(d time.Duration, f func()) *Timer {
	t := &Timer{s: s}
	return t.arm(s.clock.inStep(d), func() {
		s.guard("Tick", f)
		t.s.mu.Lock()
		defer t.s.mu.Unlock()
		if _, ok := t.s.timers[t]; ok {
			t.t.Reset(s.clock.inStep(d))
		}
	})
}

func (t *Timer) arm(d time.Duration, f func()) *Timer {
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	t.t = time.AfterFunc(d, f)
	if t.s.timers == nil {
		t.t.Stop() // shutting down
		return t
	}
	t.s.timers[t] = struct{}{}
	return t
}

// Stop ends the timer; a call that has begun goes on. Swoole's clear.
func (t *Timer) Stop() {
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	t.t.Stop()
	delete(t.s.timers, t)
}
