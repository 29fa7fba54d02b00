package netpoll

import (
	"os"
	"time"

	"webim/netpoll/internal/flight"
	"webim/netpoll/internal/poll"
	"webim/netpoll/internal/sched"
	"webim/netpoll/internal/timers"
	"webim/netpoll/internal/unfinished"
	"webim/netpoll/internal/wheel"
)

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

// worker is one of the goroutines that take turns, or a loop's with Config.RunOnLoop, and the scratch memory
// that it lends to the connection whose turn it runs. Nothing in it outlives a turn.
type worker struct {
	sched.Worker[*record]
	s        *Server
	buf      []byte // the bytes read, headers and payloads in place; nil: no connection's turn yet
	cipher   []byte // TLS records as read, for connections with TLS
	inflate  []byte
	control  []byte // a pong being encoded
	request  Request
	answer   []byte          // a handshake's
	in       unfinished.Part // the state of the decoding
	meter    Meter           // of the connection's handler; nil: none
	cost     Cost            // of the input, not yet told to the meter
	took     flight.Event    // the messages of the connection's turn
	answered int             // answers to pings
	left     int             // messages that the connection's turn may still handle, see messageBudget
}

// readSize is a worker's read buffer: one read(2) takes at most so much.
const readSize = 64 << 10

// newWorker makes a worker that WakeAfter finds. loop says that it is a loop's.
func (s *Server) newWorker(loop bool) *worker {
	w := &worker{s: s}
	w.List, w.Number, w.Loop, w.Run = s.ready, uint32(len(s.workers)+1), loop, w.runConn
	s.workers = append(s.workers, w)
	return w
}

// serve runs turns until the server has ended.
func (w *worker) serve() {
	defer w.s.running.Done()
	w.Serve()
}

// runConn runs the turn of a connection.
func (w *worker) runConn(r *record) {
	if w.buf == nil {
		w.buf = make([]byte, readSize)
	}
	w.Begin(&r.turn)
	more := w.turn(r)
	w.End(&r.turn, r, more)
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

// loop is one epoll instance with its goroutine and its wheel, which a timerfd among its descriptors
// turns.
type loop struct {
	*poll.Loop[*record]
	s      *Server
	wheel  *wheel.Wheel
	worker *worker // runs turns on the loop's goroutine; nil without Config.RunOnLoop
}

func newLoop(s *Server) (l *loop, err error) {
	l = &loop{s: s}
	if s.cfg().RunOnLoop {
		l.worker = s.newWorker(true)
	}
	l.Loop, err = poll.New(l.runBatch, func(err error) {
		// Nobody would be read any more: better to end than to seem alive.
		s.cfg().Logger.Error("netpoll: waiting for events failed, the process ends", "err", err)
		os.Exit(1)
	})
	if err != nil {
		return nil, err
	}
	if err := l.startWheel(); err != nil {
		l.Loop.Close()
		return nil, err
	}
	return l, nil
}

// startWheel makes the loop's wheel. From then on the loop's goroutine calls its OnTimer.
func (l *loop) startWheel() (err error) {
	if l.wheel, err = wheel.New(&l.s.clock, l); err != nil {
		return err
	}
	if err := l.Watch(l.wheel.FD(), l.wheel.OnTimer); err != nil {
		l.wheel.Close()
		return err
	}
	l.wheel.Start()
	return nil
}

// close ends the loop's goroutine and its wheel: deadlines that are set from now on never come.
func (l *loop) close() {
	l.s.ready.PushAll(l.Loop.Close())
	l.wheel.Close()
}

// loopTurns is how many turns a loop runs between two looks at its sockets.
const loopTurns = 256

// runBatch puts a batch of ready connections on the ready list, under one lock. With Config.RunOnLoop
// it then runs their turns: the thread is awake, so no other one must be woken. Meanwhile nobody
// waits for events, so they gather, and the next epoll_wait brings them all at once. That is most
// of the gain: when one thread waited for events and another ran the turns, each message woke the
// first one, and a third of the server's time went into switching threads.
func (l *loop) runBatch(batch []*record) (more bool) {
	if l.worker == nil {
		l.s.ready.PushAll(batch)
		return false
	}
	return l.worker.RunReady(batch, loopTurns)
}

// park registers a connection with epoll.
func (l *loop) park(r *record) error {
	return l.Park(int(r.fd), func(e poll.Event) { l.readable(r, poll.EventsOf(e)) })
}

// readable notes the hints of the kernel, and queues the turn with the batch. An event that comes after
// the connection's end wakes a turn that finds nothing to do.
func (l *loop) readable(r *record, e poll.Events) {
	var f uint32
	if e&poll.Readable != 0 {
		f = fReadable
	}
	if e&poll.Hangup != 0 {
		f |= fHangup
	}
	if e&poll.Writable != 0 && r.flags.Load()&fBlocked != 0 { // otherwise it says nothing new
		f |= fWritable
	}
	if f == 0 {
		return
	}
	r.flags.Or(f)
	if r.turn.Wake() {
		l.Ready(r)
	}
}

// Link, Settle, Turn and Ping make the loop a wheel.Owner.
func (l *loop) Link(i uint32) *wheel.Link { return &l.s.slab.At(i).link }

func (l *loop) Settle(i, now uint32) (due uint32, settled bool) {
	return l.s.nextPing(l.s.slab.At(i), now)
}

func (l *loop) Turn(i uint32) { l.s.timeUp(l.s.slab.At(i)) }

func (l *loop) Ping(i uint32) { l.s.pingOnLoop(l.s.slab.At(i)) }
