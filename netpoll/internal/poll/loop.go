// Package poll runs an epoll instance with its goroutine: it registers descriptors, notes the events of
// connections, and hands the connections that have become ready to the server in batches. It reads and
// writes no connection.
//
// Only this package imports easygo, for EpollCreate, Add and Del. Its descriptors and handles dup the
// socket, and its Resume makes it blocking again.
package poll

import (
	"encoding/binary"
	"fmt"
	"reflect"
	"sync/atomic"
	"syscall"

	"webim/netpoll/internal/rawio"

	"github.com/mailru/easygo/netpoll"
	"golang.org/x/sys/unix"
)

// Event is a report of the kernel about a descriptor, as easygo passes it on.
type Event = netpoll.EpollEvent

// Events are the hints of an Event about a connection.
type Events uint8

// The events of a connection. With Hangup there is also Readable.
const (
	Readable Events = 1 << iota // input, the end of the stream, or an error
	Hangup                      // the end of the stream, or an error
	Writable                    // room for output; it also comes with every other event, and once when a connection is parked
)

// EventsOf returns the hints of an Event.
func EventsOf(e Event) (events Events) {
	if e&(netpoll.EPOLLIN|netpoll.EPOLLRDHUP|netpoll.EPOLLHUP|netpoll.EPOLLERR) != 0 {
		events = Readable
	}
	if e&(netpoll.EPOLLRDHUP|netpoll.EPOLLHUP|netpoll.EPOLLERR) != 0 {
		events |= Hangup
	}
	if e&netpoll.EPOLLOUT != 0 {
		events |= Writable
	}
	return events
}

// A Loop is an epoll instance; C is a connection. Park, Watch and Unpark are safe for concurrent use.
type Loop[C any] struct {
	epoll   *netpoll.Epoll
	run     func(batch []C) (more bool)
	batchFD int                           // an eventfd, see signalBatch
	pause   atomic.Pointer[chan struct{}] // closed at the end of a Pause; nil: there is none

	// Owned by the loop's goroutine.
	ready    []C  // connections that events have made ready since the last batch
	signaled bool // the eventfd is written, and its event has not come yet
}

// connEvents are the events for which a connection is registered. The registration is edge-triggered, and
// it never changes.
const connEvents = netpoll.EPOLLIN | netpoll.EPOLLOUT | netpoll.EPOLLRDHUP | netpoll.EPOLLET

// maxBatch is the largest capacity of Loop.ready that is kept for the next batch.
const maxBatch = 1 << 10

// New makes a Loop, whose goroutine runs until Close. After each batch of events the goroutine calls run
// with the connections that have become ready. If run returns true, the goroutine calls it once more,
// after it has looked at its descriptors. It calls failed if waiting for events has failed, which should
// never happen: no event comes after that.
func New[C any](run func(batch []C) (more bool), failed func(error)) (*Loop[C], error) {
	e, err := create(failed)
	if err != nil {
		return nil, fmt.Errorf("netpoll: making an epoll instance: %w", err)
	}
	l := &Loop[C]{epoll: e, run: run}
	if l.batchFD, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		e.Close()
		return nil, fmt.Errorf("netpoll: making an eventfd: %w", err)
	}
	err = l.add(l.batchFD, netpoll.EPOLLIN|netpoll.EPOLLET, func(e Event) {
		if e&netpoll.EPOLLIN != 0 {
			l.endBatch()
		}
	})
	if err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// create makes easygo's part. easygo does not close its descriptors on exec, so a new process would inherit them, and
// with them a reference to each socket that is registered. The module is pinned, so the names of the fields are.
func create(failed func(error)) (*netpoll.Epoll, error) {
	syscall.ForkLock.RLock() // no process begins between the making of the descriptors and their flags
	defer syscall.ForkLock.RUnlock()
	e, err := netpoll.EpollCreate(&netpoll.EpollConfig{OnWaitError: failed})
	if err != nil {
		return nil, err
	}
	fields := reflect.ValueOf(e).Elem()
	for _, name := range []string{"fd", "eventFd"} {
		unix.CloseOnExec(int(fields.FieldByName(name).Int()))
	}
	return e, nil
}

// Close ends the loop's goroutine. It returns the connections that were ready and in no batch yet.
func (l *Loop[C]) Close() (ready []C) {
	if l.epoll.Close() != nil {
		return nil // it was closed before
	}
	unix.Close(l.batchFD)
	return l.ready
}

// Park registers a connection, once. The loop's goroutine calls f with each of its events. f must not wait
// for anything. It must be bound to the connection, not to the descriptor: easygo looks callbacks up before
// it runs them, so one may run after Unpark. The caller makes the callback, because a closure of a generic
// function takes 8 bytes more for each connection.
func (l *Loop[C]) Park(fd int, f func(Event)) error { return l.add(fd, connEvents, f) }

// Ready puts a connection into the batch. A callback of Park calls it.
func (l *Loop[C]) Ready(c C) {
	l.ready = append(l.ready, c)
	l.signalBatch()
}

// Watch registers a listener or a timerfd, level-triggered: the kernel reports again the work that one
// wake-up leaves. The loop's goroutine calls f, but not for the loop's end.
func (l *Loop[C]) Watch(fd int, f func()) error {
	return l.add(fd, netpoll.EPOLLIN, func(e Event) {
		if e&netpoll.EPOLLIN != 0 {
			f()
		}
	})
}

func (l *Loop[C]) add(fd int, events Event, f func(Event)) error {
	if err := l.epoll.Add(fd, events, f); err != nil {
		// A failed Add leaves its entry behind, and the next socket with this
		// number would be refused for ever.
		l.epoll.Del(fd)
		return fmt.Errorf("netpoll: registering descriptor %d: %w", fd, err)
	}
	return nil
}

// Pause makes the loop's goroutine wait until resume is called, which must be before Close. Without it each connection that
// is parked wakes the goroutine at once, because there is room for output, and it and Park wait for each other's lock. Events
// gather meanwhile.
func (l *Loop[C]) Pause() (resume func()) {
	over := make(chan struct{})
	l.pause.Store(&over)
	rawio.Write(l.batchFD, one)
	return func() {
		l.pause.Store(nil)
		close(over)
	}
}

// Unpark ends a registration. It must come before close(fd), always: see add.
func (l *Loop[C]) Unpark(fd int) { l.epoll.Del(fd) }

var one = binary.NativeEndian.AppendUint64(nil, 1)

// signalBatch makes the loop call endBatch after all events that are there now. easygo does not say
// when it has delivered all events of one epoll_wait. But epoll reports events in the order in which
// they happened, and each write to an eventfd is an edge. So the eventfd's event comes with the next
// epoll_wait, which does not wait then, and behind all events before the write. That costs a write
// of 0.2 µs for each batch of events.
func (l *Loop[C]) signalBatch() {
	if !l.signaled {
		l.signaled = true
		rawio.Write(l.batchFD, one)
	}
}

func (l *Loop[C]) endBatch() {
	if over := l.pause.Load(); over != nil {
		<-*over
	}
	l.signaled = false
	batch := l.ready
	l.ready = batch[:0]
	if cap(batch) > maxBatch {
		l.ready = nil
	}
	if l.run(batch) {
		l.signalBatch()
	}
}
