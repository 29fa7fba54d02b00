package room

import (
	"webim/room/budget"
)

// A message may have hundreds of commands, and a command of fifty bytes can have a reply
// of a megabyte, which takes a worker milliseconds. Four rules keep other clients from
// waiting for that:
//
//   - A turn handles some sixteen commands, in one message or in many (workOf). The rest
//     waits for the turns of clients that send fewer (netpoll.Conn.Spent).
//   - A turn ends when its replies carry more than turnReplies bytes of publications, and
//     the rest of the message waits in the background (netpoll.Verdict), until a message
//     of the connection costs less.
//   - A connection that has used a part of its budget of recovered bytes, or whose payer
//     has, waits there before each command that may have a large reply.
//   - A client that has hung up gets no such reply any more: see command.

// turnReplies is how many bytes of publications the replies of a turn carry; the last
// reply may exceed it.
const turnReplies = 64 << 10

// behindReads is the part of the budget of recovered bytes that does it: with the
// defaults 1 MiB of a connection, 4 MiB of a user, 16 MiB of an address.
const behindReads = 64

// BeginMessage notes that the connection's turn handles a message.
func (p *Principal) BeginMessage() { p.much = false }

// IsTurnOver reports whether the replies that the connection's turn has made carry as much
// as a turn's may. Then the turn ends, and what comes next waits in the background.
func (p *Principal) IsTurnOver() bool {
	if p.made.Load() < turnReplies {
		return false
	}
	p.made.Store(0)
	p.much = true
	return true
}

// GoesBehind reports whether the connection has to wait in the background before a command
// that may have a large reply, and is not there yet. From here on it is: Hub.Spend says so.
func (h *Hub) GoesBehind(p *Principal) bool {
	if p.back || !h.readsMuch(p) {
		return false
	}
	p.back = true
	return true
}

// readsBehind reports whether a connection is in the background for what it reads.
func (h *Hub) readsBehind(p *Principal, in bool) bool {
	p.back = p.much || in && h.readsMuch(p)
	return p.back
}

// readsMuch reports whether a connection, or who pays for it, has used so much of what it
// may recover that it waits for all others.
func (h *Hub) readsMuch(p *Principal) bool {
	if h.unbound(ClassRecovered) {
		return false
	}
	now := h.now()
	used := func(b *budget.Bucket, rate Rate) bool { return b.Used(rate, now) > rate.N/behindReads }
	if more := p.more.Load(); more != nil && used(&more.buckets[ClassRecovered], h.cfg.Rates.Recovered) {
		return true
	}
	if a := p.account.Load(); a != nil && used(&a.buckets[ClassRecovered], h.cfg.UserRates.Recovered) {
		return true
	}
	a := h.addressAccount(p.payer, ClassRecovered)
	return a != nil && used(&a.buckets[ClassRecovered], h.cfg.addressRates.Recovered)
}
