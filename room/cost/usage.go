package cost

import (
	"net/netip"
	"sync/atomic"

	"webim/room/budget"
	"webim/room/policy"
)

// A Usage counts the use of the rates by one connection, and names the owner that pays with it. The data of a
// connection embed one. The zero value is ready; SetPayer comes before the connection causes any cost
// but input. Its methods, and those of a Meter with it, are safe for concurrent use, except where they
// say otherwise.
//
// The buckets of the classes that every client uses as it connects are here. Most connections are idle,
// so the other buckets are made with their first use.
type Usage struct {
	payer budget.Owner // set once

	join, rpc, input budget.Bucket
	more             atomic.Pointer[moreBuckets]
	account          atomic.Pointer[account] // of the connection's user; nil if it has none

	replied    atomic.Int32 // bytes of publications in the replies of this turn; see IsTurnOver
	turnOver   bool         // the last turn ended because of its replies; only the turn uses it
	background bool         // the turns are in the background; only the turn uses it
}

type moreBuckets struct {
	classes  [policy.NumClasses]budget.Bucket
	refusals budget.Bucket
}

// Payer returns the owner that pays for the entries that the connection makes the server keep.
func (u *Usage) Payer() budget.Owner { return u.payer }

// SetPayer sets the payer. It is called once, before the connection joins a room, and not concurrently
// with any other method.
func (u *Usage) SetPayer(payer budget.Owner) { u.payer = payer }

// bucket returns the bucket of a class.
func (u *Usage) bucket(c policy.Class) *budget.Bucket {
	switch c {
	case policy.ClassJoin:
		return &u.join
	case policy.ClassRPC:
		return &u.rpc
	case policy.ClassInput:
		return &u.input
	}
	return &u.others().classes[c]
}

// others returns the buckets that are made with their first use.
func (u *Usage) others() *moreBuckets {
	more := u.more.Load()
	for more == nil {
		u.more.CompareAndSwap(nil, new(moreBuckets))
		more = u.more.Load()
	}
	return more
}

// rescale keeps the levels of the buckets when the limits change.
func (u *Usage) rescale(old, next *limits, now int64) {
	more := u.more.Load()
	for c := range old.conn {
		switch c := policy.Class(c); c {
		case policy.ClassJoin, policy.ClassRPC, policy.ClassInput:
			u.bucket(c).Rescale(old.conn[c], next.conn[c], now)
		default:
			if more != nil {
				more.classes[c].Rescale(old.conn[c], next.conn[c], now)
			}
		}
	}
	if more != nil {
		more.refusals.Rescale(old.refusals, next.refusals, now)
	}
}

// PayerOf returns the owner that pays for a client. A user that a token names pays for itself. For a
// guest, because its name costs nothing, and for a client without a user, the address pays.
func PayerOf(user string, addr netip.Addr) budget.Owner {
	if user == "" || policy.IsGuest(user) {
		return budget.Addr(addr)
	}
	return budget.User(user)
}
