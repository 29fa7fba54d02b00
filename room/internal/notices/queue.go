package notices

import (
	"container/list"
	"time"

	"webim/room/budget"
	"webim/room/engine"
)

const (
	// writeCost is the cost of one more write to a member, in bytes.
	writeCost = 1 << 10
	// Every is the time between two sweeps of the waiting notices of a room.
	Every = time.Second
	// presenceDelay bounds the time between a join and its notice. So for this time after a presence, a
	// notice of a join may be about a client that the presence has shown.
	presenceDelay = 10 * time.Second
	// Max is the largest number of notices that wait in a room on a node. One more makes the room send
	// the oldest.
	Max = 4096
)

// Rate limits the cost of the join and leave notices of a room on a node: the size of each notice times
// the members that get it. While the room is in debt, new notices wait.
var Rate = budget.Rate{N: 8 << 20, Per: time.Second}

// A Queue has the notices of a room that wait. Each join and each leave makes the server write to all
// listening members, so a few clients could make it write all the time. While the notices of a room cost
// less than Rate, each is sent at once, at its position among the messages. Otherwise notices wait, in
// their order, for one sweep each second. If a client leaves before its join was sent, neither is sent,
// unless a presence has shown the client meanwhile: the client that asked for the presence has to learn
// that it left.
//
// The zero value is empty. The owner guards the queue with a lock, and calls Flush at the time of Next.
// now is a time on the owner's clock, in nanoseconds. send sends a notice, and returns the bytes that
// this makes for all listeners.
type Queue struct {
	Cost budget.Bucket // of the notices that were sent, limited by Rate

	waiting    list.List                // of engine.Notice
	unshown    map[string]*list.Element // by client: waiting joins that no presence has shown
	shownUntil int64                    // until then a join may be that of a client that a presence has shown
}

// Add sends a notice to listeners members, now or later.
func (q *Queue) Add(n engine.Notice, listeners int, now int64, send func(engine.Notice) int) {
	if q.waiting.Len() == 0 && q.Cost.Debt(Rate, now) == 0 {
		q.Cost.Charge(Rate, writeCost*listeners+send(n), now)
		return
	}
	if e := q.unshown[n.Who.Client]; n.Left && e != nil {
		q.remove(e)
		return
	}
	q.push(n, !n.Left && now >= q.shownUntil)
	if q.waiting.Len() > Max { // not charged, or the waiting notices would never be sent
		send(q.remove(q.waiting.Front()))
	}
}

// push adds a notice that waits.
func (q *Queue) push(n engine.Notice, unshown bool) {
	e := q.waiting.PushBack(n)
	if unshown {
		if q.unshown == nil {
			q.unshown = map[string]*list.Element{}
		}
		q.unshown[n.Who.Client] = e
	}
}

// Clear drops the waiting notices. While no member listens, no notice is kept. A join that waited since
// before would be sent to the next listener, but its leave would not.
func (q *Queue) Clear() {
	q.waiting.Init()
	q.unshown = nil
}

// remove removes a waiting notice.
func (q *Queue) remove(e *list.Element) engine.Notice {
	n := q.waiting.Remove(e).(engine.Notice)
	if q.unshown[n.Who.Client] == e {
		delete(q.unshown, n.Who.Client)
	}
	return n
}

// Waiting returns how many notices wait.
func (q *Queue) Waiting() int { return q.waiting.Len() }

// Next returns the time until the debt is paid, but at least Every.
func (q *Queue) Next(now int64) time.Duration { return max(Every, q.Cost.Debt(Rate, now)) }

// Flush sends waiting notices until the queue is in debt again. One sweep then writes all of them.
func (q *Queue) Flush(listeners int, now int64, send func(engine.Notice) int) {
	for q.waiting.Len() > 0 && q.Cost.Debt(Rate, now) == 0 {
		q.Cost.Charge(Rate, send(q.remove(q.waiting.Front())), now)
	}
	q.Cost.Charge(Rate, writeCost*listeners, now)
}

// PresenceShown notes that a presence of the room was shown.
func (q *Queue) PresenceShown(now int64) { q.unshown, q.shownUntil = nil, now+int64(presenceDelay) }

// IsIdle reports whether the queue can be dropped.
func (q *Queue) IsIdle(now int64) bool {
	return q.waiting.Len() == 0 && now >= q.shownUntil && q.Cost.Debt(Rate, now) == 0
}
