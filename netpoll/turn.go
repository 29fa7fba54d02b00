package netpoll

import (
	"sync"
	"sync/atomic"
	"time"
)

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
// queued, or the loop's goroutine in beatNow, which takes it from idle. Hence the list needs no bound of its own:
// it is bounded by what exists.
const (
	turnIdle uint32 = iota
	turnQueued
	turnRunning
	turnAgain
)

// wakeTurn notes that there is work; it reports whether the caller must put
// the turn on the ready list.
func wakeTurn(state *atomic.Uint32) bool {
	for {
		switch s := state.Load(); s {
		case turnIdle:
			if state.CompareAndSwap(s, turnQueued) {
				return true
			}
		case turnRunning:
			if state.CompareAndSwap(s, turnAgain) {
				return false
			}
		default:
			return false
		}
	}
}

// endTurn lets a running turn go; it reports whether the worker must put it
// back at the list's tail.
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

// wake queues a connection's turn.
func (s *Server) wake(r *record) {
	if wakeTurn(&r.turn) {
		s.pool.push(task{r: r})
	}
}

// task is an entry of the ready list: a connection or a user's turn.
type task struct {
	r  *record
	t  *Turn
	at int64 // nanoseconds of the clock when it was queued; 0: not measured
}

// pool is the ready list and the workers that take from it, in order. What is in the
// background has a list of its own.
type pool struct {
	clock   *clock
	latency Histogram // of tasks, from queued to taken
	workers int

	mu     sync.Mutex
	cond   sync.Cond
	front  ring
	back   ring   // of connections whose Meter put them into the background
	behind int    // workers that run a task of back
	waited uint32 // takes while something was in back
	pushed uint32
	idle   int // workers that wait, or have left
	closed bool

	worked, counted int64 // nanoseconds that workers were not idle, added up until then
}

// backTurn says how often a task in the background goes first: every so many tasks,
// so that a busy server does not starve them.
const backTurn = 64

func newPool(c *clock, workers int) *pool {
	p := &pool{clock: c, workers: workers, counted: c.nanos()}
	p.cond.L = &p.mu
	return p
}

func (p *pool) push(t task) {
	p.mu.Lock()
	p.pushLocked(t)
	wake := p.idle > 0
	p.mu.Unlock()
	if wake {
		p.cond.Signal()
	}
}

func (p *pool) pushLocked(t task) {
	// The clock costs 40 ns, so the latency is sampled.
	if p.pushed++; p.pushed%16 == 0 {
		t.at = p.clock.nanos()
	}
	if t.r != nil && t.r.flags.Load()&fBackground != 0 {
		p.back.push(t)
	} else {
		p.front.push(t)
	}
}

// take waits for the next task; ok is false once the pool is closed. back says that it
// is in the background; the worker hands that in with its next take.
func (p *pool) take(last bool) (t task, back, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if last {
		p.behind--
	}
	for {
		if p.back.n > 0 && p.backLocked() {
			p.behind++
			return p.back.pop(), true, true
		}
		if p.front.n > 0 {
			return p.front.pop(), false, true
		}
		if p.closed && p.back.n == 0 {
			p.idleLocked(1)
			p.cond.Broadcast() // others may have waited for the last of back
			return task{}, false, false
		}
		p.front.shrink()
		p.back.shrink()
		p.idleLocked(1)
		p.cond.Wait()
		p.idleLocked(-1)
	}
}

// backLocked reports whether a task in the background is the next to run. They wait
// for all others and have half of the workers at most, so that the rest is free for
// whoever comes; a worker that ends one of them looks for the next, so none waits in
// vain.
func (p *pool) backLocked() bool {
	p.waited++
	return p.behind < max(1, p.workers/2) && (p.front.n == 0 || p.waited%backTurn == 0)
}

// idleLocked notes that so many workers more are idle. It reads the clock, which a
// worker that found nothing to do can afford; those that go on do not.
func (p *pool) idleLocked(more int) {
	now := p.clock.nanos()
	p.worked += int64(p.workers-p.idle) * (now - p.counted)
	p.counted = now
	p.idle += more
}

// use is how many workers are busy, and for how long they all were until now.
func (p *pool) use() (busy int, worked time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.idleLocked(0)
	return p.workers - p.idle, time.Duration(p.worked)
}

// close lets the workers go once the lists are empty.
func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.cond.Broadcast()
}

// worker is one goroutine of the pool and the scratch memory that it lends to
// the connection whose turn it runs. Nothing in it outlives a turn.
type worker struct {
	s       *Server
	buf     []byte // what was read, headers and payloads in place
	cipher  []byte // TLS records as read, for connections with TLS
	dec     decoder
	inflate []byte
	control []byte // a pong being encoded
	request Request
	answer  []byte // a handshake's
	ready   bool   // see input
	since   uint32 // see input
	again   event  // see input
	meter   Meter  // of the connection's handler; nil: none
	cost    Cost   // what the meter has not been told yet
	back    bool   // the turn is one in the background
}

// readSize is a worker's read buffer: one read(2) takes at most so much.
const readSize = 64 << 10

func (w *worker) run() {
	defer w.s.running.Done()
	p := w.s.pool
	for {
		var t task
		var ok bool
		if t, w.back, ok = p.take(w.back); !ok {
			return
		}
		if t.at != 0 {
			p.latency.Observe(time.Duration(p.clock.nanos() - t.at))
		}
		if t.r != nil {
			t.r.turn.Store(turnRunning)
			if endTurn(&t.r.turn, w.turn(t.r)) {
				p.push(task{r: t.r})
			}
		} else {
			t.t.state.Store(turnRunning)
			if endTurn(&t.t.state, w.s.runUser(t.t)) {
				p.push(task{t: t.t})
			}
		}
	}
}

// runUser runs a user's turn; a panic is logged and ends this run only.
func (s *Server) runUser(t *Turn) (more bool) {
	defer func() {
		if v := recover(); v != nil {
			s.logPanic("turn", v)
			more = false
		}
	}()
	return t.run()
}
