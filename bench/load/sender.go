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

// senderTick is the shortest time between two rounds of sending: at high rates messages leave in batches, up to this much after they are
// due. It is counted as latency like everything else.
const senderTick = 1e6

// Sender sends a schedule's messages. Its thread does nothing else.
type Sender struct {
	Schedule
	from      []*client.Client
	templates []*Template
	stop      atomic.Bool
	urgent    bool // its thread goes before others, if the kernel allows it

	// Results, to be read after run.
	Sent int
	held int       // messages of which the server took nothing at once: it held the sender up
	lag  stat.Hist // how late the thread woke
}

func NewSender(s Schedule, from []*client.Client, size option.Size, tag uint64) *Sender {
	sd := &Sender{Schedule: s, from: from}
	for _, c := range from {
		sd.templates = append(sd.templates, NewTemplate(size, tag, c.Format()))
	}
	return sd
}

// run sends until all is sent or stop is set.
func (s *Sender) run() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread() // the thread must not end: a server that it started would get its Pdeathsig
	if s.urgent {
		defer proc.RaisePriority(unix.Gettid())()
	}
	wake := s.Start
	for s.Sent < s.Total && !s.stop.Load() {
		wake = max(wake+senderTick, s.Due(uint32(s.Sent)))
		stat.SleepUntil(wake)
		at := stat.Now()
		s.lag.Record(at - wake)
		wake = max(wake, at-senderTick) // a late round is not made up for by many quick ones
		for s.Sent < s.Total && s.Due(uint32(s.Sent)) <= at {
			k := s.Sent % s.Senders
			if !s.from[k].Send(s.templates[k].Number(uint32(s.Sent))) {
				s.held++
			}
			s.Sent++
		}
	}
}

// unsent returns how many messages still wait in our own queues, because the server does not take them.
func (s *Sender) unsent() int {
	n := 0
	for i, c := range s.from {
		size := s.templates[i].mean
		n += (c.Unsent() + size - 1) / size
	}
	return n
}
