package scenario

import (
	"context"
	"time"

	"webim/bench/client"
	"webim/bench/load"
	"webim/bench/option"
	"webim/bench/report"
	"webim/bench/stamp"
	"webim/bench/stat"
	"webim/bench/ws"
)

// closedLoop is the sink of a client that sends requests as fast as possible. It has a number of slots; each slot sends
// its next request when its last one is answered. Slot s of n slots sends the numbers s, s+n, s+2n, ... The client's
// receiver owns it.
//
// A closed loop slows down with the server. So its latency is that of a request under this load, and not that of users
// with a fixed rate; --rate measures the latter.
type closedLoop struct {
	*load.Counts // of the receiver
	tag          uint64
	request      *load.Template
	slots        []slot
	order        uint32 // number of requests sent so far
	last         uint32 // order of the last answered request, plus one
	end          int64  // end of the window, after which no slot sends
	sent         int64
	lost         int64 // requests without an answer in time
}

type slot struct {
	number uint32
	order  uint32
	since  int64 // time of sending; 0 if the slot waits for no answer
}

func newClosedLoop(c *client.Client, n *load.Counts, inFlight int, size option.Size, end int64) *closedLoop {
	a := &closedLoop{Counts: n, tag: stamp.NewTag(), slots: make([]slot, inFlight), end: end}
	a.request = load.NewTemplate(size, a.tag, c.Format())
	return a
}

// start lets all slots send.
func (a *closedLoop) start(c *client.Client) {
	for i := range a.slots {
		a.slots[i].number = uint32(i)
		a.send(c, &a.slots[i], stat.Now())
	}
}

// send sends a slot's next request. It is due at the given time, at which the last one was answered.
func (a *closedLoop) send(c *client.Client, s *slot, at int64) {
	if at >= a.end {
		s.since = 0
		return
	}
	s.order, s.since = a.order, at
	a.order++
	a.sent++
	c.Send(a.request.Number(s.number))
}

func (a *closedLoop) Data(c *client.Client, b []byte, at int64) error {
	return c.Events(b, func(ev ws.Event) {
		n, tag := stamp.Read(&ev.Head)
		if tag != a.tag {
			a.Foreign++
			return
		}
		s := &a.slots[int(n)%len(a.slots)]
		if s.since == 0 || n != s.number {
			a.Duplicates++ // or an answer after --timeout
			return
		}
		if s.order < a.last {
			a.Reordered++
		} else {
			a.last = s.order + 1
		}
		if at <= a.end {
			a.InWindow++
		}
		a.Hist.Record(at - s.since)
		a.Received.Add(1)
		s.number += uint32(len(a.slots))
		a.send(c, s, at)
	})
}

// expire counts requests that were sent before the given time as lost; their slots send again. It returns the number of
// requests that still wait for an answer.
func (a *closedLoop) expire(c *client.Client, before int64) (left int) {
	for i := range a.slots {
		s := &a.slots[i]
		if s.since != 0 && (s.since < before || !c.IsOpen()) {
			a.lost++
			s.since = 0
			s.number += uint32(len(a.slots))
			if c.IsOpen() {
				a.send(c, s, stat.Now())
			}
		}
		if s.since != 0 {
			left++
		}
	}
	return left
}

// closed runs a closed loop with --in-flight requests per client until the window ends, and then waits for the last
// answers.
func (o Echo) closed(ctx context.Context, f *load.Local, res *report.EchoResult) *load.Counts {
	end := stat.Now() + int64(o.Seconds*1e9)
	res.InFlight = o.InFlight
	perWorker := make([]load.Counts, len(f.Receivers))
	loops := make([]*closedLoop, len(f.Clients))
	f.Each(func(c *client.Client) {
		a := newClosedLoop(c, &perWorker[c.Index%len(perWorker)], o.InFlight, o.Size, end)
		loops[c.Index], c.Sink = a, a
		a.start(c)
	})
	for start := stat.Now(); ; {
		before := stat.Now() - int64(f.Config().ReplyTimeout())
		left := 0
		f.Each(func(c *client.Client) { left += loops[c.Index].expire(c, before) })
		if left == 0 && stat.Now() >= end {
			break
		}
		f.Config().ShowProgress("echo as fast as it goes", int(min(stat.Now(), end)-start)/1e6, int(end-start)/1e6)
		select {
		case <-ctx.Done():
			f.Each(func(c *client.Client) { loops[c.Index].end = 0 })
		case <-time.After(50 * time.Millisecond):
			continue
		}
		break
	}
	f.Ignore()
	sum := &load.Counts{}
	for i := range perWorker {
		sum.Add(&perWorker[i])
	}
	for _, a := range loops {
		res.Sent += a.sent
		res.Lost += a.lost
	}
	return sum
}
