package netpoll

import (
	"fmt"
	"os"

	"github.com/mailru/easygo/netpoll"
	"golang.org/x/sys/unix"
)

// loop is one epoll instance with its goroutine and its wheel, which an alarm
// among its descriptors turns. easygo is imported in this file only, for
// EpollCreate, Add and Del; its descriptors and handles dup the socket, its
// Resume makes it blocking again.
type loop struct {
	epoll *netpoll.Epoll
	wheel wheel
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
	l := &loop{epoll: e, wheel: wheel{s: s}}
	if err := l.wind(); err != nil {
		e.Close()
		return nil, err
	}
	return l, nil
}

// wind has the loop's wheel turn.
func (l *loop) wind() error {
	a, err := newAlarm()
	if err != nil {
		return err
	}
	l.wheel.alarm = a
	if err := l.watch(a.fd, l.wheel.rung); err != nil {
		unix.Close(a.fd)
		return err
	}
	l.wheel.mu.Lock()
	l.wheel.restLocked()
	l.wheel.mu.Unlock()
	return nil
}

// close ends the loop's goroutine, and its wheel: who arms it from now on waits
// for ever.
func (l *loop) close() {
	l.epoll.Close()
	l.wheel.mu.Lock()
	defer l.wheel.mu.Unlock()
	unix.Close(l.wheel.alarm.fd)
	l.wheel.alarm = nil
}

// park registers a connection. The callback is bound to the record, not to
// the descriptor: easygo looks callbacks up before it runs them, so one may
// run after Del; then it wakes a turn that finds nothing to do.
func (l *loop) park(s *Server, r *record) error {
	return l.add(int(r.fd), connEvents, func(e netpoll.EpollEvent) { s.ready(r, e) })
}

// watch registers a listener or an alarm, level-triggered: what one wake leaves
// is reported again. It is not told of the loop's end.
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

// ready is the step "readable": it notes what the kernel hints at and queues
// the turn. It runs on the loop's goroutine and must not wait for anything.
func (s *Server) ready(r *record, e netpoll.EpollEvent) {
	var f uint32
	if e&(netpoll.EPOLLIN|netpoll.EPOLLRDHUP|netpoll.EPOLLHUP|netpoll.EPOLLERR) != 0 {
		f = fReadable
	}
	if e&(netpoll.EPOLLRDHUP|netpoll.EPOLLHUP|netpoll.EPOLLERR) != 0 {
		f |= fHangup
	}
	// OUT comes along with every other event, and once when a socket is
	// parked; it means something only to who was refused.
	if e&netpoll.EPOLLOUT != 0 && r.flags.Load()&fBlocked != 0 {
		f |= fWritable
	}
	if f == 0 {
		return
	}
	r.flags.Or(f)
	s.wake(r)
}
