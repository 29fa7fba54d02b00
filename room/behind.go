package room

import (
	"github.com/centrifugal/protocol"

	"webim/room/budget"
	"webim/room/wire"
)

// A command of fifty bytes can have a reply of a megabyte, which takes a worker
// milliseconds. Three rules keep other clients from waiting for such replies:
//
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

// pastTurn notes that the turn has made enough. It keeps what is left of the message, if
// there is more.
func (s *session) pastTurn(all *wire.Commands) bool {
	if s.quota.made.Load() < turnReplies {
		return false
	}
	s.quota.made.Store(0)
	s.quota.much = true
	if len(all.Rest()) > 0 {
		s.goBehind(all.Taken(), len(all.Rest()))
	} else {
		s.conn.Yield()
	}
	return true
}

// mustGoBehind keeps a message from a command on that may have a large reply, if the
// connection has to wait in the background for it and does not yet. Before the command,
// taken commands were handled, and left bytes of the message were not.
func (s *session) mustGoBehind(method wire.Method, c *protocol.Command, taken, left int) bool {
	if s.quota.back || !isLarge(method, c) || !s.hub.readsMuch(&s.quota, s.payer) {
		return false
	}
	s.quota.back = true // what Spend will say, or nobody
	s.goBehind(taken, left)
	return true
}

// goBehind ends the turn; the message comes again in the next one.
func (s *session) goBehind(taken, left int) {
	s.handled = &handled{count: taken, left: left}
	s.conn.Yield()
	s.conn.Again()()
}

// readsBehind reports whether a connection is in the background for what it reads.
func (h *Hub) readsBehind(q *quota, payer budget.Owner, in bool) bool {
	q.back = q.much || in && h.readsMuch(q, payer)
	return q.back
}

// readsMuch reports whether a connection, or who pays for it, has used so much of what it
// may recover that it waits for all others.
func (h *Hub) readsMuch(q *quota, payer budget.Owner) bool {
	if h.unbound(classRecovered) {
		return false
	}
	now := h.now()
	used := func(b *budget.Bucket, rate Rate) bool { return b.Used(rate, now) > rate.N/behindReads }
	if more := q.more.Load(); more != nil && used(&more.buckets[classRecovered], h.cfg.Rates.Recovered) {
		return true
	}
	if a := q.account.Load(); a != nil && used(&a.buckets[classRecovered], h.cfg.UserRates.Recovered) {
		return true
	}
	a := h.addressAccount(payer, classRecovered)
	return a != nil && used(&a.buckets[classRecovered], h.cfg.addressRates.Recovered)
}
