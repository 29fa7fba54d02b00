package load

import (
	"runtime"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"webim/bench/client"
	"webim/bench/option"
	"webim/bench/proc"
	"webim/bench/stat"
)

// senderTick is the shortest time between two rounds of sending, in nanoseconds. At high rates messages leave in batches,
// up to senderTick after they are due. The latency includes that delay.
const senderTick = 1e6

// Sender sends the messages of a schedule on its own thread.
type Sender struct {
	Schedule
	from      []*client.Client
	templates []*Template
	stop      atomic.Bool
	urgent    bool // raise the thread's priority, if the kernel allows it

	// Results; read them after run.
	Sent int
	held int       // messages of which the socket accepted no byte at once: the server did not read fast enough
	lag  stat.Hist // how late the thread woke
}

func NewSender(s Schedule, from []*client.Client, size option.Size, tag uint64) *Sender {
	sd := &Sender{Schedule: s, from: from}
	for _, c := range from {
		sd.templates = append(sd.templates, NewTemplate(size, tag, c.Format()))
	}
	return sd
}

// run sends until all messages are sent or stop is set.
func (s *Sender) run() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread() // the thread must not end: the kernel would kill the servers that it started (Pdeathsig)
	if s.urgent {
		defer proc.RaisePriority(unix.Gettid())()
	}
	wake := s.Start
	for s.Sent < s.Total && !s.stop.Load() {
		wake = max(wake+senderTick, s.Due(uint32(s.Sent)))
		stat.SleepUntil(wake)
		at := stat.Now()
		s.lag.Record(at - wake)
		wake = max(wake, at-senderTick) // after a late round there are no extra rounds to catch up
		for s.Sent < s.Total && s.Due(uint32(s.Sent)) <= at {
			k := s.Sent % s.Senders
			if !s.from[k].Send(s.templates[k].Number(uint32(s.Sent))) {
				s.held++
			}
			s.Sent++
		}
	}
}

// unsent returns the number of messages in the clients' own queues, which the server has not read.
func (s *Sender) unsent() int {
	n := 0
	for i, c := range s.from {
		size := s.templates[i].mean
		n += (c.Unsent() + size - 1) / size
	}
	return n
}
