package client

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"

	"webim/bench/proc"
	"webim/bench/sock"
	"webim/bench/stat"
	"webim/bench/ws"
)

// readBuffer is the size of the read buffer that all clients of a receiver share, in bytes.
const readBuffer = 256 << 10

// Receiver is a thread that owns a part of a fleet's clients. It has an epoll instance and a read buffer. All methods run
// on its goroutine, except those whose comment says otherwise.
type Receiver struct {
	fleet  *Fleet
	epfd   int
	wakefd int // an eventfd: there are new tasks
	buf    []byte
	TID    int
	ready  chan struct{} // closed when tid is set
	done   chan struct{} // closed when the goroutine has ended

	todo       []*Client // clients to be dialed
	inFlight   int
	plaintext  []byte       // buffer for decrypted bytes; nil without TLS
	inflater   *ws.Inflater // shared by all its clients
	pings      int64        // number of pings that its clients have received
	plain      []byte       // buffer for received bytes translated to the plain dialect
	handshakes stat.Hist    // of transient clients, from their due times

	// Nap is a pause after each round of reads, in nanoseconds. Frames gather meanwhile, so a flood does not wake the thread
	// for each frame; the latency in the figures grows by the pause. Any goroutine may set it.
	Nap atomic.Int64

	mu    sync.Mutex // guards tasks
	tasks []func()
	quit  bool // used by the goroutine only
}

func newReceiver(f *Fleet) (*Receiver, error) {
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
	w := &Receiver{fleet: f, epfd: epfd, wakefd: wakefd, buf: make([]byte, readBuffer), ready: make(chan struct{}), done: make(chan struct{})}
	go w.run()
	<-w.ready
	return w, nil
}

// post lets the receiver run task later. It may be called from any goroutine.
func (w *Receiver) post(task func()) {
	w.mu.Lock()
	w.tasks = append(w.tasks, task)
	w.mu.Unlock()
	_, _ = unix.Write(w.wakefd, []byte{1, 0, 0, 0, 0, 0, 0, 0}) // it only fails if a wake-up is pending already
}

// Do runs task on the receiver and waits until it has returned. It may be called from any goroutine except the receiver's.
func (w *Receiver) Do(task func()) {
	done := make(chan struct{})
	w.post(func() { task(); close(done) })
	<-done
}

func (w *Receiver) run() {
	runtime.LockOSThread() // for the thread's CPU clock, and because changing the thread takes time
	defer runtime.UnlockOSThread()
	defer close(w.done)
	w.TID = unix.Gettid()
	close(w.ready)
	events := make([]unix.EpollEvent, sock.MaxEvents)
	for !w.quit {
		for _, ev := range events[:sock.Wait(w.epfd, events)] {
			if ev.Fd < 0 {
				w.runTasks()
				continue
			}
			if c := w.fleet.Clients[ev.Fd]; c.gen == ev.Pad && c.state.Load() != absent {
				w.handle(c, ev.Events)
			}
		}
		w.dialNext()
		if nap := w.Nap.Load(); nap > 0 {
			stat.SleepUntil(stat.Now() + nap)
		}
	}
}

func (w *Receiver) runTasks() {
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

// handle serves one event of a client. An event may be stale, so only read and write tell the state of the socket.
func (w *Receiver) handle(c *Client, events uint32) {
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
	if c.Stuck && events&(unix.EPOLLHUP|unix.EPOLLERR) == 0 {
		return
	}
	w.read(c, hangup)
}

// read reads until the socket is empty. A short read means that it is empty. After a hang-up event it reads on until the
// end of the stream.
func (w *Receiver) read(c *Client, hangup bool) {
	for c.state.Load() != absent {
		n := sock.Read(c.fd, w.buf)
		switch {
		case n > 0:
			if err := w.dispatch(c, w.buf[:n]); err != nil {
				w.drop(c, err)
			} else if n < len(w.buf) && !hangup {
				return
			}
		case n == 0:
			w.drop(c, ErrClosed)
		case n == -int(unix.EAGAIN):
			return
		case n != -int(unix.EINTR):
			w.drop(c, syscall.Errno(-n))
		}
	}
}

// dispatch passes received bytes to the sink or, before the end of the upgrade, to the handshake.
func (w *Receiver) dispatch(c *Client, b []byte) error {
	if c.state.Load() == open || c.session != nil {
		return w.dispatchOpen(c, b)
	}
	rest, done, err := c.readUpgrade(w.fleet.handshake, b)
	if err != nil || !done {
		return err
	}
	return w.upgraded(c, rest)
}

// upgraded starts the WebSocket of a client; rest is the bytes that followed the answer to the upgrade request.
func (w *Receiver) upgraded(c *Client, rest []byte) error {
	if c.terms.Compressed {
		if w.inflater == nil {
			w.inflater = ws.NewInflater()
		}
		c.Decoder.Inflater = w.inflater
	}
	c.setSending(true)
	if w.fleet.cfg.Centrifuge() {
		c.session = NewSession()
		c.session.recovery = c.Recovery
		c.Send(ws.AppendFrame(nil, ws.Text, JoinCommands(c.Room, w.fleet.cfg.Token, c.Recovery), &c.Mask))
	} else {
		w.opened(c)
	}
	if len(rest) > 0 {
		return w.toSink(c, rest, stat.Now())
	}
	return nil
}

// opened counts a client that has joined its room.
func (w *Receiver) opened(c *Client) {
	c.state.Store(open)
	w.handshakeEnded(nil)
	if c.due != 0 {
		w.handshakes.Record(stat.Now() - c.due)
	}
}

// toSink passes received frames to the client's sink. In the Centrifuge dialect it first translates them to plain frames.
func (w *Receiver) toSink(c *Client, b []byte, at int64) error {
	if c.session == nil {
		return c.Sink.Data(c, b, at)
	}
	pings := c.session.pings
	plain, answer, err := c.session.Translate(w.plain[:0], b)
	w.pings += c.session.pings - pings
	w.plain = plain
	if len(answer) > 0 {
		c.Send(ws.AppendFrame(nil, ws.Text, answer, &c.Mask))
	}
	for _, why := range c.session.refused {
		w.fleet.noteRefusal(why)
	}
	c.session.refused = c.session.refused[:0]
	if c.session.Joined && c.state.Load() != open {
		w.opened(c)
	}
	if len(plain) > 0 {
		if end := c.Sink.Data(c, plain, at); end != nil {
			err = end
		}
	}
	if err == ErrClosed && c.state.Load() != open {
		return fmt.Errorf("closed by the server with code %d before the client had joined the room", c.CloseCode)
	}
	return err
}

// dispatchOpen decrypts received bytes, if the connection uses TLS, and passes them to the sink.
func (w *Receiver) dispatchOpen(c *Client, b []byte) error {
	at := stat.Now()
	if c.tls == nil {
		return w.toSink(c, b, at)
	}
	if w.plaintext == nil {
		w.plaintext = make([]byte, readBuffer)
	}
	err := c.tls.decrypt(b, w.plaintext, func(plain []byte) error { return w.toSink(c, plain, at) })
	c.flush() // sends answers of crypto/tls
	return err
}

// drop ends a client by RST.
func (w *Receiver) drop(c *Client, why error) {
	c.setSending(false)
	sock.CloseReset(c.fd)
	c.Err = why
	was := c.state.Swap(absent)
	if was != open {
		w.handshakeEnded(why)
		return
	}
	w.fleet.openCount.Add(-1)
	if why != ErrReset {
		w.fleet.lost.Add(1)
		if c.CloseCode != 0 {
			why = fmt.Errorf("code %d", c.CloseCode)
		}
		w.fleet.noteFailure(errors.New(GoneMessage + why.Error()))
	}
}

// busy returns the CPU time of the thread in nanoseconds. It may be called from any goroutine.
func (w *Receiver) busy() int64 {
	return proc.ThreadCPU(w.TID)
}

// stop ends the receiver and its clients. It may be called from any goroutine except the receiver's.
func (w *Receiver) stop() {
	w.post(func() { w.quit = true })
	<-w.done
	unix.Close(w.epfd)
	unix.Close(w.wakefd)
}
