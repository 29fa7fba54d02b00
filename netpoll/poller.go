package netpoll

import (
	"encoding/binary"
	"fmt"
	"os"

	"webim/netpoll/internal/rawio"
	"webim/netpoll/internal/wheel"

	"github.com/mailru/easygo/netpoll"
	"golang.org/x/sys/unix"
)

// loop is one epoll instance with its goroutine and its wheel, which a timerfd
// among its descriptors turns. easygo is imported in this file only, for
// EpollCreate, Add and Del; its descriptors and handles dup the socket, its
// Resume makes it blocking again.
type loop struct {
	s       *Server
	epoll   *netpoll.Epoll
	wheel   *wheel.Wheel
	batchFD int // an eventfd, see signalBatch

	// Owned by the loop's goroutine.
	ready    []*record // connections that events have made ready since the last batch
	signaled bool      // the eventfd is written, and its event has not come yet
	worker   *worker   // runs turns on the loop's goroutine; nil without Config.RunOnLoop
}

// A connection is registered once, edge-triggered, for all that can happen,
// and the registration never changes.
const connEvents = netpoll.EPOLLIN | netpoll.EPOLLOUT | netpoll.EPOLLRDHUP | netpoll.EPOLLET

func newLoop(s *Server) (*loop, error) {
	e, err := netpoll.EpollCreate(&netpoll.EpollConfig{OnWaitError: func(err error) {
		// Nobody would be read any more: better to end than to seem alive.
		s.cfg.Logger.Error("netpoll: waiting for events failed, the process ends", "err", err)
		os.Exit(1)
	}})
	if err != nil {
		return nil, fmt.Errorf("netpoll: making an epoll instance: %w", err)
	}
	l := &loop{s: s, epoll: e}
	if err := l.startWheel(); err != nil {
		e.Close()
		return nil, err
	}
	if err := l.addBatchEvent(); err != nil {
		l.close()
		return nil, err
	}
	if s.cfg.RunOnLoop {
		l.worker = s.newWorker(true)
	}
	return l, nil
}

// addBatchEvent makes the eventfd that ends a batch of events.
func (l *loop) addBatchEvent() (err error) {
	if l.batchFD, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		l.batchFD = -1
		return fmt.Errorf("netpoll: making an eventfd: %w", err)
	}
	return l.add(l.batchFD, netpoll.EPOLLIN|netpoll.EPOLLET, func(e netpoll.EpollEvent) {
		if e&netpoll.EPOLLIN != 0 {
			l.runBatch()
		}
	})
}

var one = binary.NativeEndian.AppendUint64(nil, 1)

// signalBatch makes the loop call runBatch after all events that are there now. easygo does not say
// when it has delivered all events of one epoll_wait. But epoll reports events in the order in which
// they happened, and each write to an eventfd is an edge. So the eventfd's event comes with the next
// epoll_wait, which does not wait then, and behind all events before the write. That costs a write
// of 0.2 µs for each batch of events.
func (l *loop) signalBatch() {
	if !l.signaled {
		l.signaled = true
		rawio.Write(l.batchFD, one)
	}
}

// loopTurns is how many turns a loop runs between two looks at its sockets.
const loopTurns = 256

// maxBatch is the largest capacity of loop.ready that is kept for the next batch.
const maxBatch = 1 << 10

// runBatch puts a batch of ready connections on the ready list, under one lock. With Config.RunOnLoop
// it then runs their turns: the thread is awake, so no other one must be woken. Meanwhile nobody
// waits for events, so they gather, and the next epoll_wait brings them all at once. That is most
// of the gain: when one thread waited for events and another ran the turns, each message woke the
// first one, and a third of the server's time went into switching threads.
func (l *loop) runBatch() {
	l.signaled = false
	batch := l.ready
	l.ready = batch[:0]
	if cap(batch) > maxBatch {
		l.ready = nil
	}
	if l.worker == nil {
		l.s.ready.PushAll(batch)
	} else if l.worker.RunReady(batch, loopTurns) {
		l.signalBatch()
	}
}

// startWheel makes the loop's wheel. From then on the loop's goroutine calls its OnTimer.
func (l *loop) startWheel() (err error) {
	if l.wheel, err = wheel.New(&l.s.clock, l); err != nil {
		return err
	}
	if err := l.watch(l.wheel.FD(), l.wheel.OnTimer); err != nil {
		l.wheel.Close()
		return err
	}
	l.wheel.Start()
	return nil
}

// close ends the loop's goroutine and its wheel: deadlines that are set from now on never come.
func (l *loop) close() {
	l.epoll.Close()
	l.s.ready.PushAll(l.ready) // its goroutine has ended
	unix.Close(l.batchFD)
	l.wheel.Close()
}

// park registers a connection. The callback is bound to the record, not to the descriptor: easygo
// looks callbacks up before it runs them, so one may run after Del. Then it wakes a turn that finds
// nothing to do.
func (l *loop) park(r *record) error {
	return l.add(int(r.fd), connEvents, func(e netpoll.EpollEvent) { l.readable(r, e) })
}

// watch registers a listener or a timerfd, level-triggered: the kernel reports again the work that
// one wake-up leaves. f is not called for the loop's end.
func (l *loop) watch(fd int, f func()) error {
	return l.add(fd, netpoll.EPOLLIN, func(e netpoll.EpollEvent) {
		if e&netpoll.EPOLLIN != 0 {
			f()
		}
	})
}

func (l *loop) add(fd int, events netpoll.EpollEvent, f func(netpoll.EpollEvent)) error {
	if err := l.epoll.Add(fd, events, f); err != nil {
		// A failed Add leaves its entry behind, and the next socket with this
		// number would be refused for ever.
		l.epoll.Del(fd)
		return fmt.Errorf("netpoll: registering descriptor %d: %w", fd, err)
	}
	return nil
}

// unpark must come before close(fd), always: see add.
func (l *loop) unpark(fd int) { l.epoll.Del(fd) }

// readable notes the hints of the kernel and makes the connection ready; runBatch queues it with all
// others of its batch. It runs on the loop's goroutine and must not wait for anything.
func (l *loop) readable(r *record, e netpoll.EpollEvent) {
	var f uint32
	if e&(netpoll.EPOLLIN|netpoll.EPOLLRDHUP|netpoll.EPOLLHUP|netpoll.EPOLLERR) != 0 {
		f = fReadable
	}
	if e&(netpoll.EPOLLRDHUP|netpoll.EPOLLHUP|netpoll.EPOLLERR) != 0 {
		f |= fHangup
	}
	// OUT comes along with every other event, and once when a socket is parked. It has a meaning
	// only after the socket has refused output.
	if e&netpoll.EPOLLOUT != 0 && r.flags.Load()&fBlocked != 0 {
		f |= fWritable
	}
	if f == 0 {
		return
	}
	r.flags.Or(f)
	if r.turn.Wake() {
		l.ready = append(l.ready, r)
		l.signalBatch()
	}
}
