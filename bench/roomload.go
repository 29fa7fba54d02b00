package bench

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// roomPlan says who sends in rooms, and so who must get which message: message number seq is of sender seq modulo their number. The senders are in
// a random order, the same in every run, so that neither rooms nor a server's memory are visited in the order in which they were made.
type roomPlan struct {
	members int       // of each room; client i is in room i/members, as its member i%members
	talkers int       // members of each room that send: the first ones
	senders []*client // in the order of the schedule
}

func newRoomPlan(f *Fleet, members, talkers int) *roomPlan {
	p := &roomPlan{members: members, talkers: talkers}
	for _, c := range f.clients {
		if c.index%members < talkers {
			p.senders = append(p.senders, c)
		}
	}
	random := rand.New(rand.NewPCG(1, 2))
	random.Shuffle(len(p.senders), func(i, j int) { p.senders[i], p.senders[j] = p.senders[j], p.senders[i] })
	return p
}

// origin returns of message seq who sent it, as a position among the room's members, and how many messages that sender had sent before. ok is
// false when c is not in that room: the server has delivered it to the wrong room.
func (p *roomPlan) origin(c *client, seq uint32) (from int, nth uint32, ok bool) {
	n := uint32(len(p.senders))
	s := p.senders[seq%n]
	return s.index % p.members, seq / n, s.index/p.members == c.index/p.members
}

// roomTally checks what the clients of one worker receive in their rooms of a schedule.
type roomTally struct {
	schedule
	counts
	plan *roomPlan
	tag  uint64
}

// watch makes room for a bit for each message that the client's room may get.
func (t *roomTally) watch(c *client) {
	c.remember((t.total/t.senders+1)*t.plan.talkers, t.plan.talkers)
	c.sink = t
}

func (t *roomTally) data(c *client, b []byte, at int64) error {
	return c.events(b, func(ev Event) {
		seq, tag := stampOf(&ev.Head)
		if tag != t.tag || int(seq) >= t.total {
			t.foreign++
			return
		}
		from, nth, ok := t.plan.origin(c, seq)
		if !ok {
			t.foreign++
			return
		}
		if !t.once(c.seen, nth*uint32(t.plan.talkers)+uint32(from)) {
			return
		}
		if nth < c.last[from] {
			t.reordered++
		} else {
			c.last[from] = nth + 1
		}
		if at <= t.end {
			t.inWindow++
		}
		t.hist.Record(at - t.due(seq))
		t.received.Add(1)
	})
}

// roomLoop is the closed loop of rooms: each sender has one message under way, and sends its next one when every member of its room has the last
// one. So the server never has a backlog, and the deliveries a second are those that it can hold for ever.
//
// Such a loop slows down with the server, so its latency says what a message takes under this load and not what users of a fixed rate would see.
type roomLoop struct {
	*roomPlan
	fleet   *Fleet
	tag     uint64
	end     int64 // of the window: then nobody sends any more
	talking []talker
	sinks   []*roomLoopSink // of each worker
}

// talker is a sender's message that is under way. The members of a room may be on several workers.
type talker struct {
	client  *client
	at      uint32 // its position in roomPlan.senders
	request *template

	mu      sync.Mutex
	number  uint32 // of the message: how many this sender had sent before
	since   int64  // when it was sent; 0: none is under way
	missing int    // members that do not have it
	sent    int64
}

// roomLoopSink counts what the clients of one worker receive.
type roomLoopSink struct {
	counts
	loop *roomLoop
}

func newRoomLoop(f *Fleet, p *roomPlan, size Size, seconds float64) *roomLoop {
	l := &roomLoop{roomPlan: p, fleet: f, tag: newTag(), end: now() + int64(seconds*1e9), talking: make([]talker, len(p.senders))}
	for i, c := range p.senders {
		l.talking[i].client, l.talking[i].at, l.talking[i].request = c, uint32(i), newTemplate(size, l.tag, c)
	}
	for range f.workers {
		l.sinks = append(l.sinks, &roomLoopSink{loop: l})
	}
	f.each(func(c *client) {
		c.remember(0, p.talkers)
		c.sink = l.sinks[c.index%len(l.sinks)]
	})
	return l
}

func (s *roomLoopSink) data(c *client, b []byte, at int64) error {
	return c.events(b, func(ev Event) {
		seq, tag := stampOf(&ev.Head)
		if tag != s.loop.tag {
			s.foreign++
			return
		}
		from, nth, ok := s.loop.origin(c, seq)
		if !ok {
			s.foreign++
			return
		}
		t := &s.loop.talking[int(seq)%len(s.loop.talking)]
		t.mu.Lock()
		defer t.mu.Unlock()
		if t.since == 0 || nth != t.number || nth < c.last[from] {
			s.duplicates++ // or late beyond --timeout
			return
		}
		c.last[from] = nth + 1
		if at <= s.loop.end {
			s.inWindow++
		}
		s.hist.Record(at - t.since)
		s.received.Add(1)
		if t.missing--; t.missing == 0 {
			t.number++
			s.loop.sendLocked(t, at)
		}
	})
}

// sendLocked sends the talker's next message, which is meant to leave at the given time: when the one before had arrived everywhere.
func (l *roomLoop) sendLocked(t *talker, at int64) {
	if at >= l.end || t.client.state.Load() != open {
		t.since = 0
		return
	}
	t.since, t.missing = at, l.members
	t.sent++
	t.client.send(t.request.number(t.number*uint32(len(l.senders)) + t.at))
}

// expire gives up messages that were sent before the given time; their senders send anew. It returns how many are still under way.
func (l *roomLoop) expire(before int64) (left int) {
	for i := range l.talking {
		t := &l.talking[i]
		t.mu.Lock()
		if t.since != 0 && (t.since < before || t.client.state.Load() != open) {
			t.number++
			l.sendLocked(t, now())
		}
		if t.since != 0 {
			left++
		}
		t.mu.Unlock()
	}
	return left
}

// run keeps a message of each sender under way until the window ends, and then waits for the last ones.
func (l *roomLoop) run(ctx context.Context, what string) *counted {
	start := now()
	length := l.end - start
	for i := range l.talking {
		t := &l.talking[i]
		t.mu.Lock()
		l.sendLocked(t, now())
		t.mu.Unlock()
	}
	for ctx.Err() == nil {
		left := l.expire(now() - int64(l.fleet.cfg.timeout()))
		if left == 0 && now() >= l.end {
			break
		}
		l.fleet.cfg.progress(what, int(min(now()-start, length)/1e6), int(length/1e6))
		select {
		case <-ctx.Done():
		case <-time.After(50 * time.Millisecond):
		}
	}
	l.fleet.rest()
	sum := &counted{}
	for _, s := range l.sinks {
		sum.add(&s.counts)
	}
	for i := range l.talking {
		sum.sent += int(l.talking[i].sent)
	}
	return sum
}
