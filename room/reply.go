package room

import (
	"sync/atomic"

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

// A ReplyBudget is what a reply that recovers rooms may still carry, and what it takes from
// Config.MaxReplies until it is made. It is safe for concurrent use.
type ReplyBudget struct {
	hub   *Hub
	p     *Principal
	left  atomic.Int64
	held  atomic.Int64
	ended atomic.Bool
}

// NewReplyBudget begins a reply to a connection, which End ends.
func (h *Hub) NewReplyBudget(p *Principal) *ReplyBudget {
	b := &ReplyBudget{hub: h, p: p}
	b.left.Store(int64(h.cfg.MaxReply))
	return b
}

// room is how many bytes of publications one more room may bring.
func (b *ReplyBudget) room() int { return int(max(0, b.left.Load())) }

// take adds what a client missed in a room to the reply, if all of it fits. The engine
// was asked for no more than fits; what it has left out takes no part of the reply.
func (b *ReplyBudget) take(h engine.History) bool {
	last := len(h.Publications) - 1
	if last < 0 {
		return true
	}
	if h.Publications[last].Offset < h.Top.Offset {
		return b.refused()
	}
	n := sizeOf(h.Publications)
	if b.left.Add(-int64(n)) < 0 {
		b.left.Add(int64(n)) // a smaller room may still fit
		return b.refused()
	}
	if !b.hub.replies.Take(b.p.payer, replyCost*int64(n)) {
		return b.refused()
	}
	if !b.hub.spend(b.p, ClassRecovered, n) {
		b.hub.replies.Add(b.p.payer, -replyCost*int64(n))
		return b.refused()
	}
	if b.held.Add(replyCost * int64(n)); b.ended.Load() {
		b.giveBack() // the client has left meanwhile
	}
	return true
}

func (b *ReplyBudget) refused() bool {
	h := b.hub
	h.counters.limited[ClassRecovered].Add(1)
	h.logUsedUp(ClassRecovered, b.p.payer.String())
	return false
}

// End gives back what the reply took: it is made, or given up.
func (b *ReplyBudget) End() {
	b.ended.Store(true)
	b.giveBack()
}

func (b *ReplyBudget) giveBack() { b.hub.replies.Add(b.p.payer, -b.held.Swap(0)) }

// sizeOf is what publications count, in a reply as in a history.
func sizeOf(all []engine.Publication) (n int) {
	for i := range all {
		n += engine.Cost(&all[i])
	}
	return n
}

// ChargeHistory charges what a command has read of a history, and tells how much it is. That
// is known only afterwards; the next command is refused while there is a debt.
func (h *Hub) ChargeHistory(p *Principal, got engine.History) (n int) {
	n = sizeOf(got.Publications)
	h.charge(p, ClassRecovered, n)
	return n
}

// authorCost is what an author counts in a reply besides what is said of it.
const authorCost = 128

// ChargePresence charges what a command has read of a presence, as ChargeHistory does.
func (h *Hub) ChargePresence(p *Principal, all []engine.Author) (n int) {
	for i := range all {
		n += authorCost + len(all[i].User) + len(all[i].ConnInfo) + len(all[i].ChanInfo)
	}
	h.charge(p, ClassRecovered, n)
	return n
}

// readCost is what an entry of the State counts that a call has read: to find it, read
// it and tell it takes 1.2 µs, about as long as a kilobyte of a history does.
const readCost = 1 << 10

// HasRead charges the caller for entries of the State that a call has read.
func (c *Call) HasRead(entries int) {
	c.spent += entries * readCost
	c.Hub.charge(c.s.principal(), ClassRecovered, entries*readCost)
}

// Presence is Hub.Presence for the caller, who pays for what is read.
func (c *Call) Presence(room string) ([]engine.Author, error) {
	all, err := await(c, func(done func([]engine.Author, error)) { c.Hub.Presence(room, done) })
	c.spent += c.Hub.ChargePresence(c.s.principal(), all)
	return all, err
}

// History reads a room's history for the caller, who pays for what is read.
func (c *Call) History(room string, q HistoryQuery) (engine.History, error) {
	h, err := await(c, func(done func(engine.History, error)) { c.Hub.History(room, q, done) })
	c.spent += c.Hub.ChargeHistory(c.s.principal(), h)
	return h, err
}

// Spent reports whether the call has read as much as a reply may carry, or the caller owes
// for what was read. A call that reads something of many rooms goes no further then: the
// rest is another call's, which is judged anew.
func (c *Call) Spent() bool {
	return c.spent >= c.Hub.cfg.MaxReply || c.Hub.debt(c.s.principal(), ClassRecovered) > 0
}
