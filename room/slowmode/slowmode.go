package slowmode

import (
	"strings"
	"sync"
	"time"

	"webim/room/budget"
	"webim/room/wire"
)

// MaxEntries is the maximum number of entries in a Table.
const MaxEntries = 20_000

// Memory is the maximum memory of a Table, in bytes.
const Memory = MaxEntries * 512

// retryTime is how long a retry passes. It is as long as engines remember the key of a message; a later
// retry would be published twice.
const retryTime = 5 * time.Minute

// A Table remembers when each user last sent a message in each room in slow mode. The zero value is an
// empty table. It is safe for concurrent use.
type Table struct {
	mu    sync.Mutex
	known map[Key]*budget.Item[entry]
	queue *budget.Queue[entry]
}

// Key is a user in a room. For a connection without a user, User is any other unique text.
type Key struct{ Room, User string }

// entry is the last message of a user that has passed.
type entry struct {
	Key
	at  time.Time
	end time.Time // of the interval
	id  string
}

// Pass counts a message if the interval since the user's last message in the room is over; otherwise it
// returns a wire.ErrSlowMode that says how long to wait. The message must have passed every other check
// before. id is the idempotency key of the message, or "": a retry passes at once and is not counted
// again. payer is the owner of the entry.
//
// If the message is not published after all, the caller calls undo, which takes the count back. undo is
// nil if nothing was counted.
func (t *Table) Pass(k Key, payer budget.Owner, interval time.Duration, id string) (undo func(), err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	if last, known := t.known[k]; known {
		at := last.Value.at
		if id != "" && id == last.Value.id && now.Sub(at) < min(interval, retryTime) {
			return nil, nil
		}
		if wait := at.Add(interval).Sub(now); wait > 0 {
			return nil, wire.Explain(wire.ErrSlowMode, "slow mode: wait "+wait.Round(time.Second).String())
		}
		t.dropLocked(last)
	}
	t.makeRoomLocked(now)
	one := t.queue.Push(payer, entry{k, now, now.Add(interval), strings.Clone(id)})
	t.known[k] = one
	for over := t.queue.Overflow(); over != nil; over = t.queue.Overflow() {
		t.dropLocked(over)
	}
	return func() { t.undo(one) }, nil
}

// Len returns the number of entries.
func (t *Table) Len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.known)
}

// makeRoomLocked drops the two oldest entries if their intervals are over. Each Pass drops more entries
// than it adds, so no timer is needed.
func (t *Table) makeRoomLocked(now time.Time) {
	if t.queue == nil {
		t.known, t.queue = map[Key]*budget.Item[entry]{}, budget.NewQueue[entry](MaxEntries)
	}
	for range 2 {
		oldest := t.queue.Oldest()
		if oldest == nil || oldest.Value.end.After(now) {
			return
		}
		t.dropLocked(oldest)
	}
}

// undo drops an entry that Pass has made, unless a later message has replaced it.
func (t *Table) undo(one *budget.Item[entry]) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.known[one.Value.Key] == one {
		t.dropLocked(one)
	}
}

func (t *Table) dropLocked(one *budget.Item[entry]) {
	t.queue.Remove(one)
	if delete(t.known, one.Value.Key); len(t.known) == 0 {
		t.known = map[Key]*budget.Item[entry]{} // Go's maps do not shrink
	}
}
