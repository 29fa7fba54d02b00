package scenario

import (
	"math/rand/v2"

	"webim/bench/client"
	"webim/bench/load"
	"webim/bench/stamp"
	"webim/bench/ws"
)

// roomPlan says who sends in rooms, and so who must get which message: message number seq is of sender seq modulo their number. The senders are in
// a random order, the same in every run, so that neither rooms nor a server's memory are visited in the order in which they were made.
type roomPlan struct {
	members        int              // of each room; client i is in room i/members, as its member i%members
	sendersPerRoom int              // members of each room that send: the first ones
	senders        []*client.Client // in the order of the schedule
}

func newRoomPlan(f *load.Local, members, talkers int) *roomPlan {
	p := &roomPlan{members: members, sendersPerRoom: talkers}
	for _, c := range f.Clients {
		if c.Index%members < talkers {
			p.senders = append(p.senders, c)
		}
	}
	random := rand.New(rand.NewPCG(1, 2))
	random.Shuffle(len(p.senders), func(i, j int) { p.senders[i], p.senders[j] = p.senders[j], p.senders[i] })
	return p
}

// origin returns of message seq who sent it, as a position among the room's members, and how many messages that sender had sent before. ok is
// false when c is not in that room: the server has delivered it to the wrong room.
func (p *roomPlan) origin(c *client.Client, seq uint32) (from int, nth uint32, ok bool) {
	n := uint32(len(p.senders))
	s := p.senders[seq%n]
	return s.Index % p.members, seq / n, s.Index/p.members == c.Index/p.members
}

// roomChecker checks what the clients of one worker receive in their rooms of a schedule.
type roomChecker struct {
	load.Schedule
	load.Counts
	plan *roomPlan
	tag  uint64
}

// Prepare makes room for a bit for each message that the client's room may get.
func (t *roomChecker) Prepare(c *client.Client) {
	c.Remember((t.Total/t.Senders+1)*t.plan.sendersPerRoom, t.plan.sendersPerRoom)
	c.Sink = t
}

func (t *roomChecker) Data(c *client.Client, b []byte, at int64) error {
	return c.Events(b, func(ev ws.Event) {
		seq, tag := stamp.Read(&ev.Head)
		if tag != t.tag || int(seq) >= t.Total {
			t.Foreign++
			return
		}
		from, nth, ok := t.plan.origin(c, seq)
		if !ok {
			t.Foreign++
			return
		}
		if !t.Once(c.Seen, nth*uint32(t.plan.sendersPerRoom)+uint32(from)) {
			return
		}
		if nth < c.Last[from] {
			t.Reordered++
		} else {
			c.Last[from] = nth + 1
		}
		if at <= t.End {
			t.InWindow++
		}
		t.Hist.Record(at - t.Due(seq))
		t.Received.Add(1)
	})
}
