package cost

import (
	"webim/room/budget"
	"webim/room/policy"
)

// A message may have hundreds of commands, and a command of fifty bytes can have a reply of a megabyte,
// for which a worker needs milliseconds. Four rules keep other clients from waiting for that:
//
//   - A turn handles about sixteen commands, in one message or in many (netpoll.Conn.Spent). The rest
//     waits for the turns of clients that send fewer commands.
//   - A turn ends when its replies carry more than TurnReplies bytes of publications. The rest of the
//     message waits in the background (netpoll.Treatment), until a message of the connection costs less.
//   - If a connection or its payer has used a part of its rate for recovered bytes, the connection waits
//     in the background before each command that may have a large reply.
//   - When a client has hung up, such commands are dropped.

// TurnReplies is the number of bytes of publications in the replies of a turn. The last reply of the turn
// may exceed it.
const TurnReplies = 64 << 10

// ReadsMuch is the part of its rate for recovered bytes, 1/ReadsMuch, above which a connection waits in
// the background. By default this is 1 MiB for a connection, 4 MiB for a user and 16 MiB for an address.
const ReadsMuch = 64

// BeginMessage is called when the connection's turn begins to handle a message.
func (u *Usage) BeginMessage() { u.turnOver = false }

// IsTurnOver reports whether the replies of the connection's turn carry TurnReplies bytes or more. If so,
// the caller ends the turn, and the next ones are in the background. Only the turn may call it.
func (u *Usage) IsTurnOver() bool {
	if u.replied.Load() < TurnReplies {
		return false
	}
	u.replied.Store(0)
	u.turnOver = true
	return true
}

// MoveToBackground is called before a command that may have a large reply. If the connection has to wait
// in the background first, and is not there yet, MoveToBackground makes the next Read say so and returns
// true; the caller then ends the turn. Only the turn may call it.
func (m *Meter) MoveToBackground(u *Usage) bool {
	if u.background || !m.readsMuch(u) {
		return false
	}
	u.background = true
	return true
}

// readsMuch reports whether a connection or its payer has used so much of its rate for recovered bytes
// that the connection waits for all others.
func (m *Meter) readsMuch(u *Usage) bool {
	const c = policy.ClassRecovered
	if !m.Limits(c) {
		return false
	}
	now := m.now()
	much := func(b *budget.Bucket, rate budget.Rate) bool { return b.Used(rate, now) > rate.N/ReadsMuch }
	if more := u.more.Load(); more != nil && much(&more.classes[c], m.limits.Load().conn[c]) {
		return true
	}
	if a := u.account.Load(); a != nil && much(&a.buckets[c], m.limits.Load().user[c]) {
		return true
	}
	a := m.addressAccount(u.payer, c)
	return a != nil && much(&a.buckets[c], m.limits.Load().addr[c])
}
