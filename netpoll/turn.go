package netpoll

import "webim/netpoll/internal/sched"

// Turn is work of a user that shares the workers with the connections, for example a shard of a
// room. Its function never runs twice at once. A Wake during a run leads to one more run. The
// function must not block, and should return true (more) after a millisecond or so of work, to let
// others run.
type Turn struct {
	job sched.Job
	s   *Server
}

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
