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

// roomLoop is the closed loop of rooms: each sender has one message under way, and sends its next one when every member of its room has the last
// one. So the server never has a backlog, and the deliveries a second are those that it can hold for ever.
//
// Such a loop slows down with the server, so its latency says what a message takes under this load and not what users of a fixed rate would see.
type roomLoop struct {
	*roomPlan
	fleet   *load.Local
	tag     uint64
	end     int64 // of the window: then nobody sends any more
	sending []roomSender
	sinks   []*roomLoopSink // of each worker
}

// roomSender is a sender's message that is under way. The members of a room may be on several workers.
type roomSender struct {
	client  *client.Client
	at      uint32 // its position in roomPlan.senders
	request *load.Template

	mu      sync.Mutex
	number  uint32 // of the message: how many this sender had sent before
	since   int64  // when it was sent; 0: none is under way
	missing int    // members that do not have it
	sent    int64
}

// roomLoopSink counts what the clients of one worker receive.
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
			s.Duplicates++ // or late beyond --timeout
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

// sendLocked sends the talker's next message, which is meant to leave at the given time: when the one before had arrived everywhere.
func (l *roomLoop) sendLocked(t *roomSender, at int64) {
	if at >= l.end || !t.client.IsOpen() {
		t.since = 0
		return
	}
	t.since, t.missing = at, l.members
	t.sent++
	t.client.Send(t.request.Number(t.number*uint32(len(l.senders)) + t.at))
}

// expire gives up messages that were sent before the given time; their senders send anew. It returns how many are still under way.
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

// run keeps a message of each sender under way until the window ends, and then waits for the last ones.
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
