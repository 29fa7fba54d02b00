package cost

import (
	"sync/atomic"

	"webim/room/engine"
	"webim/room/policy"
)

// With few bytes a client can ask for many: for all that it missed in its rooms. So there are three
// limits for the publications in replies:
//
//   - Config.MaxReply, for each reply
//   - Rates.Recovered, for all replies to a connection, a user or an address within some time
//   - Config.MaxReplies, for all replies that are in progress at one moment; a payer gets a share of it
//
// Above a limit a room is not recovered, and the reply says so; the client then loads the room anew. A
// part of the missed publications is never presented as all of them.

// replyCost is the memory of a reply in progress for each byte of its publications: for the encoded
// publications, the message, and the queued frame.
const replyCost = 3

// A Reply counts the bytes of a reply that recovers rooms, and its part of Config.MaxReplies until End. It is safe for concurrent use.
type Reply struct {
	meter *Meter
	usage *Usage
	left  atomic.Int64 // bytes of MaxReply
	held  atomic.Int64 // bytes of MaxReplies
	ended atomic.Bool
}

// NewReply begins a reply to a connection. The caller calls End.
func (m *Meter) NewReply(u *Usage) *Reply {
	r := &Reply{meter: m, usage: u}
	r.left.Store(int64(m.limits.Load().maxReply))
	return r
}

// Left returns how many bytes of publications fit into the reply.
func (r *Reply) Left() int { return int(max(0, r.left.Load())) }

// Add adds to the reply the publications of a room that a client missed, and charges for them, if the
// history has all of them and they fit. It reports whether it did.
func (r *Reply) Add(missed engine.History) bool {
	last := len(missed.Publications) - 1
	if last < 0 {
		return true
	}
	if missed.Publications[last].Offset < missed.Top.Offset {
		return r.refuse() // the engine was asked for no more than fits, and has left out the rest
	}
	n, m, payer := sizeOf(missed.Publications), r.meter, r.usage.payer
	if r.left.Add(-int64(n)) < 0 {
		r.left.Add(int64(n)) // a smaller room may still fit
		return r.refuse()
	}
	if !m.replies.Take(payer, replyCost*int64(n)) {
		return r.refuse()
	}
	if !m.spend(r.usage, policy.ClassRecovered, n) {
		m.replies.Add(payer, -replyCost*int64(n))
		return r.refuse()
	}
	if r.held.Add(replyCost * int64(n)); r.ended.Load() {
		r.giveBack() // the client has left meanwhile
	}
	return true
}

func (r *Reply) refuse() bool {
	r.meter.countRefused(policy.ClassRecovered, r.usage.payer.String())
	return false
}

// End gives back the reply's part of Config.MaxReplies. The reply has been sent, or never will be.
func (r *Reply) End() {
	r.ended.Store(true)
	r.giveBack()
}

func (r *Reply) giveBack() { r.meter.replies.Add(r.usage.payer, -r.held.Swap(0)) }
