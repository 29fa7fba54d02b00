package netpoll

import "sync/atomic"

// States of a turn. Everything that has work is on the ready list at most once:
//
//	         wake                take              wake
//	idle ───────────► queued ───────────► running ──────► again
//	 ▲                  ▲                  │   │            │
//	 │                  └── more, or done ─┼───┼────────────┘
//	 └──────────── done, nothing new ──────┘   (more: the budget ran out)
//
// Any goroutine may wake a turn: that moves it from idle to queued, and from running to again.
// WakeAfter also moves a turn from idle to queued, without the list, for a worker that runs it soon.
// The goroutine that runs a turn makes all other changes: a worker or a loop takes it from queued,
// and a loop in pingOnLoop takes it from idle. So the list needs no limit: it holds at most all
// connections and Turns.
//
// While a worker runs the turn of a connection, the bits above the state are the worker's number,
// by which WakeAfter finds it.
const (
	turnIdle uint32 = iota
	turnQueued
	turnRunning
	turnAgain

	turnBits  = 3
	turnShift = 2
)

// wakeTurn notes that there is work. It reports whether the caller must put the turn on the ready
// list.
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

// endTurn ends a run of a turn. It reports whether the caller must put the turn on the list again.
func endTurn(state *atomic.Uint32, more bool) bool {
	if !more && state.CompareAndSwap(turnRunning, turnIdle) {
		return false
	}
	state.Store(turnQueued)
	return true
}

// Turn is work of a user that shares the workers with the connections, for example a shard of a
// room. Its function never runs twice at once. A Wake during a run leads to one more run. The
// function must not block, and should return true (more) after a millisecond or so of work, to let
// others run.
type Turn struct {
	state atomic.Uint32
	s     *Server
	run   func() (more bool)
}

// NewTurn makes a turn of the server's workers. It takes no resources until it is woken, and needs
// no end.
func (s *Server) NewTurn(run func() (more bool)) *Turn { return &Turn{s: s, run: run} }

// Wake queues the turn, unless it is queued already. It never blocks and may be called from
// anywhere, also by the turn itself.
func (t *Turn) Wake() {
	if wakeTurn(&t.state) {
		t.s.pool.push(task{t: t})
	}
}

// WakeAfter is Wake for work that a message has made. If a callback of the connection is running,
// the worker that runs it also runs t, right after the connection's turn, or just before the turn
// writes its output if there is any and t makes few writes (runCorked). So a message leaves by the
// worker that has decoded it, and no other thread is woken for it. writes is about the number
// of writes that t makes; a worker runs turns of at most afterWrites writes in all in this way.
// Other turns are woken as by Wake: those above that limit, those that are queued already, and
// those of an id whose connection has no callback running. WakeAfter may be called from anywhere.
func (t *Turn) WakeAfter(id ID, writes int) {
	if r, _ := t.s.record(id); r != nil {
		if n := r.turn.Load() >> turnShift; n != 0 && t.s.runners[n-1].adopt(r, t, writes) {
			return
		}
	}
	t.Wake()
}

// afterWrites limits the writes of the turns that follow a connection's turn: a millisecond's work
// at most.
const afterWrites = 128

// wake queues a connection's turn.
func (s *Server) wake(r *record) {
	if wakeTurn(&r.turn) {
		s.pool.push(task{r: r})
	}
}
