package netpoll

import (
	"time"

	"webim/netpoll/internal/sched"
	"webim/netpoll/internal/timers"
)

// NewTurn makes a turn of the server's workers. It takes no resources until it is woken, and needs
// no end.
func (s *Server) NewTurn(run func() (more bool)) *Turn {
	return &Turn{job: sched.Job{Run: run}, s: s}
}

// Wake queues the turn, unless it is queued already. It never blocks and may be called from
// anywhere, also by the turn itself.
func (t *Turn) Wake() { t.s.ready.Wake(&t.job) }

// WakeAfter is Wake for work that a message has made. If a callback of the connection is running,
// the worker that runs it also runs t, right after the connection's turn, or just before the turn
// writes its output if there is any and t makes few writes. So a message leaves by the worker that
// has decoded it, and no other thread is woken for it. writes is about the number of writes that t
// makes; a worker runs turns of at most 128 writes in all in this way. Other turns are woken as by
// Wake: those above that limit, those that are queued already, and those of an id whose connection
// has no callback running. WakeAfter may be called from anywhere.
func (t *Turn) WakeAfter(id ID, writes int) {
	if r, _ := t.s.record(id); r != nil {
		if w := t.s.workerOf(r); w != nil && w.Follow(&r.turn, &t.job, writes) {
			return
		}
	}
	t.Wake()
}

// workerOf returns the worker that runs the turn of a connection, or nil.
func (s *Server) workerOf(r *record) *worker {
	if n := r.turn.Worker(); n != 0 {
		return s.workers[n-1]
	}
	return nil
}

// wake queues a connection's turn.
func (s *Server) wake(r *record) {
	if r.turn.Wake() {
		s.ready.Push(r)
	}
}

// class returns the class in which a connection waits for its turn. Only the holder of the turn
// changes the flags that decide it.
func class(r *record) sched.Class {
	switch f := r.flags.Load(); {
	case f&fBackground != 0:
		return sched.Background
	case f&fHeavy != 0:
		return sched.Heavy
	}
	return sched.Front
}

// After calls f once, after d, on a goroutine of its own, unless the timer is stopped or the server
// has ended. While Shutdown drains, timers go on. A panic of f is logged and counted, and ends
// nothing else. Swoole's after.
func (s *Server) After(d time.Duration, f func()) *Timer { return s.timers.After(d, f) }

// Tick calls f every d until it is stopped or the server has ended. It makes one call at a time, so
// a call that takes longer than d delays the next. After a call that panics, which is logged and
// counted, the next one comes all the same. Swoole's tick.
//
// If d is a number of whole seconds, calls come at whole seconds since the server was made, as its
// deadlines do. So the first call may come up to a second early, and a process with nothing to do
// wakes up once a second, however many timers it has.
func (s *Server) Tick(d time.Duration, f func()) *Timer { return s.timers.Tick(d, f) }

// Timer is a timer of Tick or After. Its method Stop stops it; a call that has begun goes on. Swoole's clear.
type Timer = timers.Timer

// arm sets the tick at which the connection's deadlines are checked, earlier or later than before.
func (s *Server) arm(r *record, due uint32) { s.loops[r.loop].wheel.Arm(r.index, due) }

// armBy makes that tick no later than due.
func (s *Server) armBy(r *record, due uint32) { s.loops[r.loop].wheel.ArmBy(r.index, due) }

// timeUp queues a turn that checks the connection's deadlines.
func (s *Server) timeUp(r *record) {
	r.flags.Or(fTimer)
	s.wake(r)
}
