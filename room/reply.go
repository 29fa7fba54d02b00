package room

import (
	"sync/atomic"

	"webim/room/budget"
	"webim/room/engine"
)

// A client that asks for what it missed asks with few bytes for many. So what its
// replies may carry is bounded three times: each reply by Config.MaxReply, all that a
// connection, a user or an address recovers in a while by Rates.Recovered, and all
// replies that are being made at a moment by Config.MaxReplies, of which a payer gets a
// share only. Beyond that a room is not recovered, and the client is told so: it loads
// anew what it shows. A part of what was missed is never passed for the whole.

// replyCost is how many bytes a reply takes while it is made for each byte of the
// publications in it: what is encoded, the message, and the frame that is queued.
const replyCost = 3

// reply is what a reply that recovers rooms may still carry, and what it takes from
// Config.MaxReplies until it is made. It is safe for concurrent use.
type reply struct {
	hub   *Hub
	q     *quota
	payer budget.Owner
	left  atomic.Int64
	held  atomic.Int64
	ended atomic.Bool
}

func (s *session) newReply() *reply {
	p := &reply{hub: s.hub, q: &s.quota, payer: s.payer}
	p.left.Store(int64(s.hub.cfg.MaxReply))
	return p
}

// room is how many bytes of publications one more room may bring.
func (p *reply) room() int { return int(max(0, p.left.Load())) }

// take adds what a client missed in a room to the reply, if all of it fits. The engine
// was asked for no more than fits; what it has left out takes no part of the reply.
func (p *reply) take(h engine.History) bool {
	last := len(h.Publications) - 1
	if last < 0 {
		return true
	}
	if h.Publications[last].Offset < h.Top.Offset {
		return p.refused()
	}
	n := sizeOf(h.Publications)
	if p.left.Add(-int64(n)) < 0 {
		p.left.Add(int64(n)) // a smaller room may still fit
		return p.refused()
	}
	if !p.hub.replies.Take(p.payer, replyCost*int64(n)) {
		return p.refused()
	}
	if !p.hub.spend(p.q, p.payer, classRecovered, n) {
		p.hub.replies.Add(p.payer, -replyCost*int64(n))
		return p.refused()
	}
	if p.held.Add(replyCost * int64(n)); p.ended.Load() {
		p.giveBack() // the client has left meanwhile
	}
	return true
}

func (p *reply) refused() bool {
	h := p.hub
	h.counters.limited[classRecovered].Add(1)
	h.logUsedUp(classRecovered, p.payer.String())
	return false
}

// end gives back what the reply took: it is made, or given up.
func (p *reply) end() {
	p.ended.Store(true)
	p.giveBack()
}

func (p *reply) giveBack() { p.hub.replies.Add(p.payer, -p.held.Swap(0)) }

// sizeOf is what publications count, in a reply as in a history.
func sizeOf(all []engine.Publication) (n int) {
	for i := range all {
		n += engine.Cost(&all[i])
	}
	return n
}

// hasRead charges what a command has read of a history, and tells how much it is. That
// is known only afterwards; the next command is refused while there is a debt.
func (s *session) hasRead(h engine.History) (n int) {
	n = sizeOf(h.Publications)
	s.hub.charge(&s.quota, s.payer, classRecovered, n)
	return n
}

// authorCost is what an author counts in a reply besides what is said of it.
const authorCost = 128

// hasSeen charges what a command has read of a presence, as hasRead does.
func (s *session) hasSeen(all []engine.Author) (n int) {
	for i := range all {
		n += authorCost + len(all[i].User) + len(all[i].ConnInfo) + len(all[i].ChanInfo)
	}
	s.hub.charge(&s.quota, s.payer, classRecovered, n)
	return n
}

// readCost is what an entry of the State counts that a call has read: to find it, read
// it and tell it takes 1.2 µs, about as long as a kilobyte of a history does.
const readCost = 1 << 10

// HasRead charges the caller for entries of the State that a call has read.
func (c *Call) HasRead(entries int) {
	c.spent += entries * readCost
	c.s.hub.charge(&c.s.quota, c.s.payer, classRecovered, entries*readCost)
}

// Presence is Hub.Presence for the caller, who pays for what is read.
func (c *Call) Presence(room string, done func([]engine.Author, error)) {
	c.Hub.Presence(room, func(all []engine.Author, err error) {
		c.spent += c.s.hasSeen(all)
		done(all, err)
	})
}

// History reads a room's history for the caller, who pays for what is read.
func (c *Call) History(room string, q HistoryQuery, done func(engine.History, error)) {
	c.Hub.History(room, q, func(h engine.History, err error) {
		c.spent += c.s.hasRead(h)
		done(h, err)
	})
}

// Spent reports whether the call has read as much as a reply may carry, or the caller owes
// for what was read. A call that reads something of many rooms goes no further then: the
// rest is another call's, which is judged anew.
func (c *Call) Spent() bool {
	return c.spent >= c.Hub.cfg.MaxReply || c.s.hub.debt(&c.s.quota, c.s.payer, classRecovered) > 0
}
