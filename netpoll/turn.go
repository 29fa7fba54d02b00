package netpoll

import "sync/atomic"

// States of a turn. Whatever has work is on the ready list at most once:
//
//	         wake                take              wake
//	idle ───────────► queued ───────────► running ──────► again
//	 ▲                  ▲                  │   │            │
//	 │                  └── more, or done ─┼───┼────────────┘
//	 └──────────── done, nothing new ──────┘   (more: budget ran out)
//
// Anybody may wake it: that moves it from idle to queued and from running to again.
// All else is done by the goroutine that runs the turn: a worker, which takes it from
// queued, or the loop's goroutine in pingOnLoop, which takes it from idle. Hence the list needs no bound of its own:
// it is bounded by what exists.
//
// While a worker runs the turn of a connection, the bits above the state are the
// worker's number, by which WakeAfter finds it.
const (
	turnIdle uint32 = iota
	turnQueued
	turnRunning
	turnAgain

	turnBits  = 3
	turnShift = 2
)

// wakeTurn notes that there is work; it reports whether the caller must put
// the turn on the ready list.
func wakeTurn(state *atomic.Uint32) bool {
	for {
		switch s := state.Load(); s & turnBits {
		case turnIdle:
			if state.CompareAndSwap(s, turnQueued) {
				return true
			}
		case turnRunning:
			if state.CompareAndSwap(s, s-turnRunning+turnAgain) {
				return false
			}
		default:
			return false
		}
	}
}

// endTurn lets a running turn go; it reports whether the worker must put it
// back on the list.
func endTurn(state *atomic.Uint32, more bool) bool {
	if !more && state.CompareAndSwap(turnRunning, turnIdle) {
		return false
	}
	state.Store(turnQueued)
	return true
}

// Turn is a user's work that shares the workers with the connections, for
// example a shard of a room. Its function never runs twice at once; a Wake
// during a run leads to one more run. It must not block, and should return
// true (more) after a millisecond or so of work, to let others through.
type Turn struct {
	state atomic.Uint32
	s     *Server
	run   func() (more bool)
}

// NewTurn makes a turn of the server's workers; it holds nothing until woken
// and needs no end.
func (s *Server) NewTurn(run func() (more bool)) *Turn { return &Turn{s: s, run: run} }

// Wake queues the turn, unless it is queued already. It never blocks and may
// be called from anywhere, the turn itself included.
func (t *Turn) Wake() {
	if wakeTurn(&t.state) {
		t.s.pool.push(task{t: t})
	}
}

// WakeAfter is Wake for work that a message has made. If a callback of the connection
// is running, the worker that runs it runs t, too, right after the connection's turn, or just
// before the turn writes its output, if there is any and t makes few writes (runCorked):
// so a message that is decoded on a worker leaves by the same worker, and no other
// thread is woken for it. A worker runs turns of at most afterWrites writes in all in
// this way; writes says how many t will make, about. Those above that, those that have
// been woken already, and those of an id whose connection has no callback running are
// woken as by Wake. WakeAfter may be called from anywhere.
func (t *Turn) WakeAfter(id ID, writes int) {
	if r, _ := t.s.record(id); r != nil {
		if n := r.turn.Load() >> turnShift; n != 0 && t.s.runners[n-1].adopt(r, t, writes) {
			return
		}
	}
	t.Wake()
}

// afterWrites bounds the writes of the turns that follow a connection's turn: a
// millisecond's work at most.
const afterWrites = 128

// wake queues a connection's turn.
func (s *Server) wake(r *record) {
	if wakeTurn(&r.turn) {
		s.pool.push(task{r: r})
	}
}
