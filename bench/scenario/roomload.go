package scenario

import (
	"math/rand/v2"

	"webim/bench/client"
	"webim/bench/load"
	"webim/bench/stamp"
	"webim/bench/ws"
)

// roomPlan says which clients send in rooms, and so which clients must receive a message: the sender of message seq is
// sender seq modulo their number. The senders are in a random order, the same in every run, so that neither the rooms nor
// the memory of a server are used in the order of their creation.
type roomPlan struct {
	members        int              // per room; client i is member i%members of room i/members
	sendersPerRoom int              // the first members of each room send
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

// origin returns the sender of message seq, as its position among the members of the room, and the number of messages that
// this sender had sent before. ok is false if c is in another room: then the server has delivered to the wrong room.
func (p *roomPlan) origin(c *client.Client, seq uint32) (from int, nth uint32, ok bool) {
	n := uint32(len(p.senders))
	s := p.senders[seq%n]
	return s.Index % p.members, seq / n, s.Index/p.members == c.Index/p.members
}

// roomChecker checks and counts the messages that the clients of one receiver receive in their rooms.
type roomChecker struct {
	load.Schedule
	load.Counts
	plan *roomPlan
	tag  uint64
}

// Prepare gives a client one bit for each message that its room may receive.
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
