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

// closedLoop is a client that asks as fast as it goes: it has so many slots, and each sends its next request when its last was answered. It is the client's sink
// and belongs to its worker. Slot s sends the numbers s, s+n, s+2n, ... of n slots.
//
// Such a loop slows down with the server, so its latency says what a request takes under this load and not what users of a fixed rate would see: that
// is what --rate is for.
type closedLoop struct {
	*load.Counts // of the worker
	tag          uint64
	request      *load.Template
	slots        []slot
	order        uint32 // requests sent so far
	last         uint32 // order of the last request that was answered, plus one
	end          int64  // of the window: then no slot asks again
	sent         int64
	lost         int64 // requests given up as lost
}

type slot struct {
	number uint32
	order  uint32
	since  int64 // when it was sent; 0: nothing is under way
}

func newClosedLoop(c *client.Client, n *load.Counts, inFlight int, size option.Size, end int64) *closedLoop {
	a := &closedLoop{Counts: n, tag: stamp.NewTag(), slots: make([]slot, inFlight), end: end}
	a.request = load.NewTemplate(size, a.tag, c.Format())
	return a
}

// start fills all slots.
func (a *closedLoop) start(c *client.Client) {
	for i := range a.slots {
		a.slots[i].number = uint32(i)
		a.send(c, &a.slots[i], stat.Now())
	}
}

// send sends the slot's request, which is meant to leave at the given time: when the one before was answered.
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
			a.Duplicates++ // or late beyond --timeout
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

// expire gives requests up that were sent before the given time; their slots ask anew. It returns how many are still under way.
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

// closed keeps --in-flight requests under way for each client until the window ends, and then waits for the last.
func (o Echo) closed(ctx context.Context, f *load.Local, res *report.EchoResult) *load.Counts {
	end := stat.Now() + int64(o.Seconds*1e9)
	res.InFlight = o.InFlight
	perWorker := make([]load.Counts, len(f.Receivers))
	askers := make([]*closedLoop, len(f.Clients))
	f.Each(func(c *client.Client) {
		a := newClosedLoop(c, &perWorker[c.Index%len(perWorker)], o.InFlight, o.Size, end)
		askers[c.Index], c.Sink = a, a
		a.start(c)
	})
	for start := stat.Now(); ; {
		before := stat.Now() - int64(f.Config().ReplyTimeout())
		left := 0
		f.Each(func(c *client.Client) { left += askers[c.Index].expire(c, before) })
		if left == 0 && stat.Now() >= end {
			break
		}
		f.Config().ShowProgress("echo as fast as it goes", int(min(stat.Now(), end)-start)/1e6, int(end-start)/1e6)
		select {
		case <-ctx.Done():
			f.Each(func(c *client.Client) { askers[c.Index].end = 0 })
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
	for _, a := range askers {
		res.Sent += a.sent
		res.Lost += a.lost
	}
	return sum
}
