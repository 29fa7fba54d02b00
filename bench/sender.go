package bench

import (
	"runtime"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// schedule says when each message of an open loop is due, and from which sender: message i at start + i/rate, from sender i modulo senders. It depends on nothing
// that happens.
type schedule struct {
	start    int64   // of the window, by now()
	interval float64 // between messages, in nanoseconds
	total    int
	senders  int
	end      int64 // of the window
}

func newSchedule(start int64, rate, seconds float64, senders int) schedule {
	s := schedule{start: start, interval: 1e9 / rate, total: max(1, int(rate*seconds+0.5)), senders: senders}
	s.end = start + int64(float64(s.total)*s.interval)
	return s
}

// due returns when message seq is meant to be sent. A float64 is exact to the nanosecond for 100 days.
func (s schedule) due(seq uint32) int64 { return s.start + int64(float64(seq)*s.interval) }

// senderTick is the shortest time between two rounds of sending: at high rates messages leave in batches, up to this much after they are
// due. It is counted as latency like everything else.
const senderTick = 1e6

// sender sends a schedule's messages. Its thread does nothing else.
type sender struct {
	schedule
	from      []*client
	templates []*template
	stop      atomic.Bool
	urgent    bool // its thread goes before others, if the kernel allows it

	// Results, to be read after run.
	sent int
	held int  // messages of which the server took nothing at once: it held the sender up
	lag  Hist // how late the thread woke
}

func newSender(s schedule, from []*client, size Size, tag uint64) *sender {
	sd := &sender{schedule: s, from: from}
	for _, c := range from {
		sd.templates = append(sd.templates, newTemplate(size, tag, c))
	}
	return sd
}

// run sends until all is sent or stop is set.
func (s *sender) run() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread() // the thread must not end: a server that it started would get its Pdeathsig
	if s.urgent {
		defer urgent(unix.Gettid())()
	}
	wake := s.start
	for s.sent < s.total && !s.stop.Load() {
		wake = max(wake+senderTick, s.due(uint32(s.sent)))
		sleepUntil(wake)
		at := now()
		s.lag.Record(at - wake)
		wake = max(wake, at-senderTick) // a late round is not made up for by many quick ones
		for s.sent < s.total && s.due(uint32(s.sent)) <= at {
			k := s.sent % s.senders
			if !s.from[k].send(s.templates[k].number(uint32(s.sent))) {
				s.held++
			}
			s.sent++
		}
	}
}

// urgent raises a thread's priority, until restore is called; without the right to do so (CAP_SYS_NICE) it stays as it is.
func urgent(tid int) (restore func()) {
	before, err := unix.Getpriority(unix.PRIO_PROCESS, tid)
	if err != nil || unix.Setpriority(unix.PRIO_PROCESS, tid, -15) != nil {
		return func() {}
	}
	return func() { _ = unix.Setpriority(unix.PRIO_PROCESS, tid, 20-before) } // the system call counts from 1 to 40
}

// unsent returns how many messages still wait in our own queues, because the server does not take them.
func (s *sender) unsent() int {
	n := 0
	for i, c := range s.from {
		size := s.templates[i].mean
		n += (c.unsent() + size - 1) / size
	}
	return n
}
