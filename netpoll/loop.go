package netpoll

import (
	"os"

	"webim/netpoll/internal/poll"
	"webim/netpoll/internal/slab"
	"webim/netpoll/internal/wheel"
)

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

// turn does the work of a connection: deadlines, output that was blocked, input, its close. It
// reports whether there is more.
func (w *worker) turn(r *record) (more bool) {
	s := w.s
	if !slab.InUse(r.gen.Load()) {
		return false // a stale event of a connection that is gone
	}
	f := r.flags.Load()
	if f&fTimer != 0 {
		r.flags.And(^fTimer)
		s.checkDeadlines(r)
	}
	if f&fWritable != 0 {
		r.flags.And(^fWritable)
		s.flush(r, r.gen.Load())
	}
	if r.flags.Load()&fClosing == 0 {
		switch r.stage {
		case stageProxy:
			more = s.readProxyHeader(w, r)
		case stageTLS:
			more = s.readHello(w, r)
		case stageHTTP:
			more = s.readHead(w, r)
		case stageOpen:
			more = s.readOpen(w, r)
		}
		// A failed write is reported here, after the input that came before it.
		f = r.flags.Load()
		if f&(fFailed|fClosing) == fFailed && (f&fReadable == 0 || r.stopped()) {
			s.beginClose(r, r.gen.Load(), closing{cause: ClientGone})
		}
	}
	if r.flags.Load()&fWatermark != 0 {
		s.tellWatermark(r)
	}
	if r.flags.Load()&fClosing != 0 {
		return s.closeTurn(w, r)
	}
	return more
}
