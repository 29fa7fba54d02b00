package bench

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	readBuffer = 256 << 10 // bytes; all clients of a worker share it
	waitEvents = 512
)

// worker owns a share of a fleet's clients: an epoll, a thread, a read buffer. All but what is marked runs on its goroutine.
type worker struct {
	fleet  *Fleet
	epfd   int
	wakefd int // an eventfd: somebody has put a task
	buf    []byte
	tid    int
	ready  chan struct{} // closed when tid is set
	done   chan struct{} // closed at the end

	todo     []*client // to be dialed
	inFlight int
	clear    []byte    // what TLS has opened; nil without
	inflater *inflater // of all its clients
	pings    int64     // that its clients got
	plain    []byte    // what was read, in the plain dialect
	shakes   Hist      // the handshakes of clients that come and go

	// nap is how long to sleep after a round of reads, in nanoseconds. It lets frames gather, so that a flood does not wake the client for
	// each of them, at the price of that much more latency in the figures. Any goroutine.
	nap atomic.Int64

	mu    sync.Mutex // guards tasks
	tasks []func()
	quit  bool // the worker's
}

func newWorker(f *Fleet) (*worker, error) {
	epfd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	wakefd, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err == nil {
		err = unix.EpollCtl(epfd, unix.EPOLL_CTL_ADD, wakefd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: -1})
	}
	if err != nil {
		unix.Close(epfd)
		return nil, err
	}
	w := &worker{fleet: f, epfd: epfd, wakefd: wakefd, buf: make([]byte, readBuffer), ready: make(chan struct{}), done: make(chan struct{})}
	go w.run()
	<-w.ready
	return w, nil
}

// post runs task on the worker, later. Any goroutine.
func (w *worker) post(task func()) {
	w.mu.Lock()
	w.tasks = append(w.tasks, task)
	w.mu.Unlock()
	_, _ = unix.Write(w.wakefd, []byte{1, 0, 0, 0, 0, 0, 0, 0}) // fails only when a wake is pending anyway
}

// do runs task on the worker and waits for its end. Any goroutine but the worker's.
func (w *worker) do(task func()) {
	done := make(chan struct{})
	w.post(func() { task(); close(done) })
	<-done
}

func (w *worker) run() {
	runtime.LockOSThread() // for the thread's CPU clock, and because moving between threads costs
	defer runtime.UnlockOSThread()
	defer close(w.done)
	w.tid = unix.Gettid()
	close(w.ready)
	events := make([]unix.EpollEvent, waitEvents)
	for !w.quit {
		for _, ev := range events[:wait(w.epfd, events)] {
			if ev.Fd < 0 {
				w.runTasks()
				continue
			}
			if c := w.fleet.clients[ev.Fd]; c.gen == ev.Pad && c.state.Load() != absent {
				w.handle(c, ev.Events)
			}
		}
		w.pump()
		if nap := w.nap.Load(); nap > 0 {
			sleepUntil(now() + nap)
		}
	}
}

func (w *worker) runTasks() {
	var count [8]byte
	_, _ = unix.Read(w.wakefd, count[:])
	w.mu.Lock()
	tasks := w.tasks
	w.tasks = nil
	w.mu.Unlock()
	for _, t := range tasks {
		t()
	}
}

// handle serves one event of a client. Events may be stale: read and write are the truth.
func (w *worker) handle(c *client, events uint32) {
	if events&unix.EPOLLOUT != 0 {
		if c.state.Load() == dialing {
			w.connected(c)
		} else {
			c.flush()
		}
	}
	hangup := events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0
	if events&unix.EPOLLIN == 0 && !hangup {
		return
	}
	if c.stuck && events&(unix.EPOLLHUP|unix.EPOLLERR) == 0 {
		return
	}
	w.read(c, hangup)
}

// read reads until the socket is empty. A short read says that it is, unless a hang-up was seen, whose turn comes after the bytes.
func (w *worker) read(c *client, hangup bool) {
	for c.state.Load() != absent {
		n := rawRead(c.fd, w.buf)
		switch {
		case n > 0:
			if err := w.take(c, w.buf[:n]); err != nil {
				w.drop(c, err)
			} else if n < len(w.buf) && !hangup {
				return
			}
		case n == 0:
			w.drop(c, errClosed)
		case n == -int(unix.EAGAIN):
			return
		case n != -int(unix.EINTR):
			w.drop(c, syscall.Errno(-n))
		}
	}
}

// take gives bytes that were read to whom they concern.
func (w *worker) take(c *client, b []byte) error {
	if c.state.Load() == open || c.session != nil {
		return w.deliver(c, b)
	}
	rest, done, err := c.upgrade(w.fleet.shake, b)
	if err != nil || !done {
		return err
	}
	return w.upgraded(c, rest)
}

// upgraded begins a client's life as a WebSocket, with what came right behind the answer.
func (w *worker) upgraded(c *client, rest []byte) error {
	if c.terms.packed {
		if w.inflater == nil {
			w.inflater = newInflater()
		}
		c.dec.inflate = w.inflater
	}
	c.setSending(true)
	if w.fleet.cfg.centrifuge() {
		c.session = newSession()
		c.send(appendFrame(nil, opText, joinCommands(c.path, w.fleet.cfg.Token), &c.mask))
	} else {
		w.opened(c)
	}
	if len(rest) > 0 {
		return w.hear(c, rest, now())
	}
	return nil
}

// opened counts a client that is in the room.
func (w *worker) opened(c *client) {
	c.state.Store(open)
	w.settle(nil)
	if c.due != 0 {
		w.shakes.Record(now() - c.due)
	}
}

// hear gives what came behind the handshake to the client's sink, in the plain dialect.
func (w *worker) hear(c *client, b []byte, at int64) error {
	if c.session == nil {
		return c.sink.data(c, b, at)
	}
	pings := c.session.pings
	plain, answer, err := c.session.take(w.plain[:0], b)
	w.pings += c.session.pings - pings
	w.plain = plain
	if len(answer) > 0 {
		c.send(appendFrame(nil, opText, answer, &c.mask))
	}
	for _, why := range c.session.refused {
		w.fleet.noteRefusal(why)
	}
	c.session.refused = c.session.refused[:0]
	if c.session.joined && c.state.Load() != open {
		w.opened(c)
	}
	if len(plain) > 0 {
		if end := c.sink.data(c, plain, at); end != nil {
			err = end
		}
	}
	if err == errClosed && c.state.Load() != open {
		return fmt.Errorf("closed by the server with code %d instead of a place in the room", c.code)
	}
	return err
}

// deliver gives a WebSocket's bytes to who hears them, opened if they are sealed.
func (w *worker) deliver(c *client, b []byte) error {
	at := now()
	if c.tls == nil {
		return w.hear(c, b, at)
	}
	if w.clear == nil {
		w.clear = make([]byte, readBuffer)
	}
	err := c.tls.open(b, w.clear, func(plain []byte) error { return w.hear(c, plain, at) })
	c.flush() // what crypto/tls has to answer
	return err
}

// drop ends a client, by RST.
func (w *worker) drop(c *client, why error) {
	c.setSending(false)
	closeReset(c.fd)
	c.err, c.endedAt = why, now()
	was := c.state.Swap(absent)
	if was != open {
		w.settle(why)
		return
	}
	w.fleet.openCount.Add(-1)
	if why != errReset {
		w.fleet.lost.Add(1)
		if c.code != 0 {
			why = fmt.Errorf("code %d", c.code)
		}
		w.fleet.noteFailure(errors.New(goneMessage + why.Error()))
	}
}

// busy returns the CPU time of the worker's thread in nanoseconds. Any goroutine.
func (w *worker) busy() int64 {
	ns, _ := readClock(threadClock(w.tid))
	return ns
}

// stop ends the worker and its clients. Any goroutine but the worker's.
func (w *worker) stop() {
	w.post(func() { w.quit = true })
	<-w.done
	unix.Close(w.epfd)
	unix.Close(w.wakefd)
}

// pollEvery is how often a scenario looks whether its workers are done.
const pollEvery = 2 * time.Millisecond
