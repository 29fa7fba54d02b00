package netpoll

import (
	"runtime"
	"sync"
	"time"

	"webim/netpoll/internal/frame"
)

// worker is one goroutine of the pool, or a loop's with Config.RunOnLoop, and the scratch
// memory that it lends to the connection whose turn it runs. Nothing in it outlives a turn.
type worker struct {
	s       *Server
	number  uint32 // in Server.runners, from 1 on; 0: it is not there, and WakeAfter never finds it
	buf     []byte // the bytes read, headers and payloads in place; nil: no connection's turn yet
	cipher  []byte // TLS records as read, for connections with TLS
	dec     frame.Decoder
	inflate []byte
	control []byte // a pong being encoded
	request Request
	answer  []byte // a handshake's
	ready   bool   // see input
	since   uint32 // see input
	again   kept   // see input
	meter   Meter  // of the connection's handler; nil: none
	cost    Cost   // of the input, not yet told to the meter
	left    int    // messages that the connection's turn may still handle, see messageBudget
	back    bool   // the turn is one in the background
	loop    bool   // it is a loop's

	mu     sync.Mutex
	after  []*Turn // to be run after the connection's turn, see Turn.WakeAfter; all are queued
	writes int     // that they make
}

// readSize is a worker's read buffer: one read(2) takes at most so much.
const readSize = 64 << 10

// newWorker makes a worker that WakeAfter finds.
func (s *Server) newWorker() *worker {
	w := &worker{s: s, number: uint32(len(s.runners) + 1)}
	s.runners = append(s.runners, w)
	return w
}

func (w *worker) run() {
	defer w.s.running.Done()
	for {
		var t task
		var ok bool
		if t, w.back, ok = w.s.pool.take(w.back); !ok {
			return
		}
		w.do(t)
		if t.r != nil && t.r.flags.Load()&(fHeavy|fBackground) != 0 {
			runtime.Gosched() // a loop that has events, and no processor, goes first
		}
	}
}

// do runs a task of the ready list.
func (w *worker) do(t task) {
	p := w.s.pool
	if t.at != 0 {
		p.latency.Observe(time.Duration(p.clock.Nanos() - t.at))
	}
	if t.r == nil {
		w.runTurn(t.t)
		return
	}
	if w.buf == nil {
		w.buf = make([]byte, readSize)
	}
	t.r.turn.Store(turnRunning | w.number<<turnShift)
	more := w.turn(t.r)
	w.runAfter(t.r)
	if endTurn(&t.r.turn, more) {
		w.requeue(task{r: t.r})
	}
}

// requeue puts a task that has more to do at the list's tail. A worker wakes nobody for
// it: it takes the next task now, and there is as much to do as before. A loop may be
// putting it where only workers take from.
func (w *worker) requeue(t task) {
	if w.loop {
		w.s.pool.push(t)
	} else {
		w.s.pool.pushMore(t)
	}
}

// runTurn runs a user's turn, and queues it anew if there is more.
func (w *worker) runTurn(t *Turn) {
	t.state.Store(turnRunning)
	if endTurn(&t.state, w.s.runUser(t)) {
		w.requeue(task{t: t})
	}
}

// adopt takes a turn that is idle to be run after the connection's; false if the worker
// does not run the connection any more, or has enough of them.
func (w *worker) adopt(r *record, t *Turn, writes int) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if r.turn.Load()>>turnShift != w.number || w.writes+writes > afterWrites || !t.state.CompareAndSwap(turnIdle, turnQueued) {
		return false
	}
	w.writes += writes
	w.after = append(w.after, t)
	return true
}

// corkedWrites is the most writes that the adopted turns may make while a reply of the
// connection waits: a tenth of a millisecond's work.
const corkedWrites = 16

// runCorked runs the adopted turns before the connection's output is written, if they make few
// writes. A message that makes a reply and a broadcast, which the sender gets too, then leaves
// by one write: two cost the server twice the system calls, and wake the client twice.
func (w *worker) runCorked(r *record) {
	w.mu.Lock()
	few := w.writes <= corkedWrites
	w.mu.Unlock()
	if few && w.number != 0 {
		w.runAdopted(r, false)
	}
}

// runAfter runs the turns that were adopted, those too that are while it does so. Then it
// takes the worker's number off the connection's turn, so that none is adopted any more.
func (w *worker) runAfter(r *record) {
	if w.number != 0 {
		w.runAdopted(r, true)
	}
}

// runAdopted runs the turns that were adopted; last: no more of them may be.
func (w *worker) runAdopted(r *record, last bool) {
	for i := 0; ; i++ {
		w.mu.Lock()
		if i == len(w.after) {
			clear(w.after)
			w.after = w.after[:0]
			if last {
				w.writes = 0
				r.turn.And(turnBits)
			}
			w.mu.Unlock()
			return
		}
		t := w.after[i]
		w.mu.Unlock()
		w.runTurn(t)
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
