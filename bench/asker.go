package bench

import (
	"context"
	"time"
)

// asker is a client that asks as fast as it goes: it has so many slots, and each sends its next request when its last was answered. It is the client's sink
// and belongs to its worker. Slot s sends the numbers s, s+n, s+2n, ... of n slots.
//
// Such a loop slows down with the server, so its latency says what a request takes under this load and not what users of a fixed rate would see: that
// is what --rate is for.
type asker struct {
	*counts // of the worker
	tag     uint64
	request *template
	slots   []slot
	order   uint32 // requests sent so far
	last    uint32 // order of the last request that was answered, plus one
	end     int64  // of the window: then no slot asks again
	sent    int64
	given   int64 // requests given up as lost
}

type slot struct {
	number uint32
	order  uint32
	since  int64 // when it was sent; 0: nothing is under way
}

func newAsker(c *client, n *counts, inFlight int, size Size, end int64) *asker {
	a := &asker{counts: n, tag: newTag(), slots: make([]slot, inFlight), end: end}
	a.request = newTemplate(size, a.tag, c)
	return a
}

// start fills all slots.
func (a *asker) start(c *client) {
	for i := range a.slots {
		a.slots[i].number = uint32(i)
		a.ask(c, &a.slots[i], now())
	}
}

// ask sends the slot's request, which is meant to leave at the given time: when the one before was answered.
func (a *asker) ask(c *client, s *slot, at int64) {
	if at >= a.end {
		s.since = 0
		return
	}
	s.order, s.since = a.order, at
	a.order++
	a.sent++
	c.send(a.request.number(s.number))
}

func (a *asker) data(c *client, b []byte, at int64) error {
	return c.events(b, func(ev Event) {
		n, tag := stampOf(&ev.Head)
		if tag != a.tag {
			a.foreign++
			return
		}
		s := &a.slots[int(n)%len(a.slots)]
		if s.since == 0 || n != s.number {
			a.duplicates++ // or late beyond --timeout
			return
		}
		if s.order < a.last {
			a.reordered++
		} else {
			a.last = s.order + 1
		}
		if at <= a.end {
			a.inWindow++
		}
		a.hist.Record(at - s.since)
		a.received.Add(1)
		s.number += uint32(len(a.slots))
		a.ask(c, s, at)
	})
}

// expire gives requests up that were sent before the given time; their slots ask anew. It returns how many are still under way.
func (a *asker) expire(c *client, before int64) (left int) {
	for i := range a.slots {
		s := &a.slots[i]
		if s.since != 0 && (s.since < before || c.state.Load() != open) {
			a.given++
			s.since = 0
			s.number += uint32(len(a.slots))
			if c.state.Load() == open {
				a.ask(c, s, now())
			}
		}
		if s.since != 0 {
			left++
		}
	}
	return left
}

// closed keeps --in-flight requests under way for each client until the window ends, and then waits for the last.
func (o Echo) closed(ctx context.Context, f *Fleet, res *EchoResult) *counts {
	end := now() + int64(o.Seconds*1e9)
	res.InFlight = o.InFlight
	perWorker := make([]counts, len(f.workers))
	askers := make([]*asker, len(f.clients))
	f.each(func(c *client) {
		a := newAsker(c, &perWorker[c.index%len(perWorker)], o.InFlight, o.Size, end)
		askers[c.index], c.sink = a, a
		a.start(c)
	})
	for start := now(); ; {
		before := now() - int64(f.cfg.timeout())
		left := 0
		f.each(func(c *client) { left += askers[c.index].expire(c, before) })
		if left == 0 && now() >= end {
			break
		}
		f.cfg.progress("echo as fast as it goes", int(min(now(), end)-start)/1e6, int(end-start)/1e6)
		select {
		case <-ctx.Done():
			f.each(func(c *client) { askers[c.index].end = 0 })
		case <-time.After(50 * time.Millisecond):
			continue
		}
		break
	}
	f.rest()
	sum := &counts{}
	for i := range perWorker {
		sum.add(&perWorker[i])
	}
	for _, a := range askers {
		res.Sent += a.sent
		res.Lost += a.given
	}
	return sum
}
