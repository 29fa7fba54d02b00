package scenario

import (
	"context"
	"sync"
	"time"

	"webim/bench/client"
	"webim/bench/load"
	"webim/bench/option"
	"webim/bench/stamp"
	"webim/bench/stat"
	"webim/bench/ws"
)

// roomLoop is the closed loop of rooms: each sender sends its next message when every member of its room has received the
// last one. So the server never has a backlog, and it can hold the measured rate of deliveries for any time.
//
// A closed loop slows down with the server. So its latency is that of a message under this load, and not that of users
// with a fixed rate.
type roomLoop struct {
	*roomPlan
	fleet   *load.Local
	tag     uint64
	end     int64 // end of the window, after which nobody sends
	sending []roomSender
	sinks   []*roomLoopSink // one per receiver
}

// roomSender is the state of a sender and its last message. The members of a room may be on several receivers.
type roomSender struct {
	client  *client.Client
	at      uint32 // index in roomPlan.senders
	request *load.Template

	mu      sync.Mutex
	number  uint32 // of the message: the number of those before it from this sender
	since   int64  // time of sending; 0 if no message is on its way
	missing int    // members that have not received it
	sent    int64
}

// roomLoopSink counts the messages that the clients of one receiver receive.
type roomLoopSink struct {
	load.Counts
	loop *roomLoop
}

func newRoomLoop(f *load.Local, p *roomPlan, size option.Size, seconds float64) *roomLoop {
	l := &roomLoop{roomPlan: p, fleet: f, tag: stamp.NewTag(), end: stat.Now() + int64(seconds*1e9), sending: make([]roomSender, len(p.senders))}
	for i, c := range p.senders {
		l.sending[i].client, l.sending[i].at, l.sending[i].request = c, uint32(i), load.NewTemplate(size, l.tag, c.Format())
	}
	for range f.Receivers {
		l.sinks = append(l.sinks, &roomLoopSink{loop: l})
	}
	f.Each(func(c *client.Client) {
		c.Remember(0, p.sendersPerRoom)
		c.Sink = l.sinks[c.Index%len(l.sinks)]
	})
	return l
}

func (s *roomLoopSink) Data(c *client.Client, b []byte, at int64) error {
	return c.Events(b, func(ev ws.Event) {
		seq, tag := stamp.Read(&ev.Head)
		if tag != s.loop.tag {
			s.Foreign++
			return
		}
		from, nth, ok := s.loop.origin(c, seq)
		if !ok {
			s.Foreign++
			return
		}
		t := &s.loop.sending[int(seq)%len(s.loop.sending)]
		t.mu.Lock()
		defer t.mu.Unlock()
		if t.since == 0 || nth != t.number || nth < c.Last[from] {
			s.Duplicates++ // or a message after --timeout
			return
		}
		c.Last[from] = nth + 1
		if at <= s.loop.end {
			s.InWindow++
		}
		s.Hist.Record(at - t.since)
		s.Received.Add(1)
		if t.missing--; t.missing == 0 {
			t.number++
			s.loop.sendLocked(t, at)
		}
	})
}

// sendLocked sends a sender's next message. It is due at the given time, at which all members had received the last one.
func (l *roomLoop) sendLocked(t *roomSender, at int64) {
	if at >= l.end || !t.client.IsOpen() {
		t.since = 0
		return
	}
	t.since, t.missing = at, l.members
	t.sent++
	t.client.Send(t.request.Number(t.number*uint32(len(l.senders)) + t.at))
}

// expire gives up messages that were sent before the given time; their senders send again. It returns the number of
// messages that are still on their way.
func (l *roomLoop) expire(before int64) (left int) {
	for i := range l.sending {
		t := &l.sending[i]
		t.mu.Lock()
		if t.since != 0 && (t.since < before || !t.client.IsOpen()) {
			t.number++
			l.sendLocked(t, stat.Now())
		}
		if t.since != 0 {
			left++
		}
		t.mu.Unlock()
	}
	return left
}

// run runs the closed loop until the window ends, and then waits for the last deliveries.
func (l *roomLoop) run(ctx context.Context, what string) *load.Totals {
	start := stat.Now()
	length := l.end - start
	for i := range l.sending {
		t := &l.sending[i]
		t.mu.Lock()
		l.sendLocked(t, stat.Now())
		t.mu.Unlock()
	}
	for ctx.Err() == nil {
		left := l.expire(stat.Now() - int64(l.fleet.Config().ReplyTimeout()))
		if left == 0 && stat.Now() >= l.end {
			break
		}
		l.fleet.Config().ShowProgress(what, int(min(stat.Now()-start, length)/1e6), int(length/1e6))
		select {
		case <-ctx.Done():
		case <-time.After(50 * time.Millisecond):
		}
	}
	l.fleet.Ignore()
	sum := &load.Totals{}
	for _, s := range l.sinks {
		sum.Add(&s.Counts)
	}
	for i := range l.sending {
		sum.Sent += int(l.sending[i].sent)
	}
	return sum
}
