package room

import (
	"strings"
	"sync"
	"time"

	"webim/netpoll"
	"webim/room/budget"
	"webim/room/wire"
)

// Slow mode: in some rooms each user sends one message per interval. Package policy
// says in its verdict how long the interval is; the table here says when each user last
// sent a message in each slow room. Each node counts for itself.
//
// Guests and room owners can make entries as fast as they can send. So the table is a
// store that forgets (budget.Queue): each entry has an owner, and when the table is full
// the owner with the most entries loses its oldest one. The rule: whoever fills the
// table pushes out its own entries. The oldest entry of all goes only if no owner has
// more than 1/64 of the table.

// maxSpoken is how many entries the table has at most.
const maxSpoken = 20_000

// SlowModeMemory is what the table of slow mode takes at most, in bytes.
const SlowModeMemory = maxSpoken * 512

// retryTime is how long a message that was sent may be tried again. It is as long as
// engines know its key; later the message would be published twice.
const retryTime = 5 * time.Minute

// lastSpoke is the table: when each user last sent a message in each slow room. The zero
// value is empty.
type lastSpoke struct {
	mu    sync.Mutex // innermost
	known map[whoWhere]*budget.Item[spoken]
	queue *budget.Queue[spoken]
}

// whoWhere is a user in a room.
type whoWhere struct{ room, who string }

// spoken is the last message that slow mode has let pass.
type spoken struct {
	whoWhere
	at  time.Time
	end time.Time // of the interval
	key string    // of the message, whose sender may try it again
}

// pass counts a message, which must have passed every other check before. undo takes
// that back if the message is not published after all; it is nil if nothing was counted.
func (l *lastSpoke) pass(k whoWhere, payer budget.Owner, every time.Duration, key string) (undo func(), err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if last, known := l.known[k]; known {
		at := last.Value.at
		if key != "" && key == last.Value.key && now.Sub(at) < min(every, retryTime) {
			return nil, nil
		}
		if wait := at.Add(every).Sub(now); wait > 0 {
			return nil, wire.Explain(wire.ErrSlowMode, "slow mode: wait "+wait.Round(time.Second).String())
		}
		l.dropLocked(last)
	}
	l.makeRoomLocked(now)
	one := l.queue.Push(payer, spoken{k, now, now.Add(every), strings.Clone(key)})
	l.known[k] = one
	for over := l.queue.Overflow(); over != nil; over = l.queue.Overflow() {
		l.dropLocked(over)
	}
	return func() { l.forget(one) }, nil
}

// makeRoomLocked drops some of the oldest entries if their intervals are over. Each call
// drops more than pass adds, so no timer is needed.
func (l *lastSpoke) makeRoomLocked(now time.Time) {
	if l.queue == nil {
		l.known, l.queue = map[whoWhere]*budget.Item[spoken]{}, budget.NewQueue[spoken](maxSpoken)
	}
	for range 2 {
		oldest := l.queue.Oldest()
		if oldest == nil || oldest.Value.end.After(now) {
			return
		}
		l.dropLocked(oldest)
	}
}

// forget takes back what pass has counted, if nothing was counted since.
func (l *lastSpoke) forget(one *budget.Item[spoken]) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.known[one.Value.whoWhere] == one {
		l.dropLocked(one)
	}
}

func (l *lastSpoke) dropLocked(one *budget.Item[spoken]) {
	l.queue.Remove(one)
	if delete(l.known, one.Value.whoWhere); len(l.known) == 0 {
		l.known = map[whoWhere]*budget.Item[spoken]{} // Go's maps do not shrink
	}
}

// slowDown counts a message of a connection if the verdict is that it may send one per
// interval. The caller calls undo, if it is not nil, when the message is not published
// after all.
func (h *Hub) slowDown(v Verdict, what Saying, c netpoll.Conn) (undo func(), err error) {
	if v.Slow == 0 || what.Event {
		return nil, nil
	}
	who := AuthorOf(c)
	name := who.User
	if name == "" {
		name = "\x00" + who.Client // no user has such a name
	}
	return h.lastSpoke.pass(whoWhere{what.Room, name}, PayerOf(who.User, AddressOf(c)), v.Slow, what.Key)
}
