package room

import (
	"strings"
	"sync"
	"time"

	"webim/room/wire"
)

// Slow mode: in some rooms each user says one message in a while. How long that
// is sanctions knows, by watching how rooms are set; here is who spoke when. Each
// node counts for itself.

// talkers are who spoke last in slow rooms. Slow mode may last a day, and names are
// free: so the oldest are forgotten as a whole when as many have come since, which
// costs a message nothing; to look for those whose time is over would take the
// longer the more there are.
type talkers struct {
	mu    sync.Mutex // innermost
	young map[whoWhere]spoken
	old   map[whoWhere]spoken
}

// spoken is the last message that slow mode has let pass.
type spoken struct {
	at  time.Time
	key string // its sender may try it again
}

// maxTalkers are remembered for sure, and twice as many at most; some 200 bytes each.
const maxTalkers = 10_000

// retryTime is how long a message may be tried again that has passed: as long as
// engines know its key, or it would be said twice.
const retryTime = 5 * time.Minute

// pass counts a message, which must be judged by all else before; undo takes that
// back if it is not said after all, and is nil if nothing was counted.
func (t *talkers) pass(k whoWhere, every time.Duration, key string) (undo func(), err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	last, known := t.young[k]
	if !known {
		last = t.old[k]
	}
	now := time.Now()
	if key != "" && key == last.key && now.Sub(last.at) < min(every, retryTime) {
		return nil, nil
	}
	if wait := last.at.Add(every).Sub(now); wait > 0 {
		return nil, wire.Explain(wire.ErrSlowMode, "slow mode: wait "+wait.Round(time.Second).String())
	}
	if t.young == nil || len(t.young) >= maxTalkers {
		t.young, t.old = map[whoWhere]spoken{}, t.young
	}
	one := spoken{now, strings.Clone(key)}
	t.young[k] = one
	return func() { t.forget(k, one) }, nil
}

// forget takes back what pass has noted, if nothing came since.
func (t *talkers) forget(k whoWhere, one spoken) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, some := range []map[whoWhere]spoken{t.young, t.old} {
		if some[k] == one {
			delete(some, k)
		}
	}
}

// slowDown counts a message that the judge lets pass once in a while; client, which is
// asked only then, tells those apart who have no name. undo, if it is not nil, is to be
// called when the message is not said after all.
func (h *Hub) slowDown(v Verdict, what Saying, who *identity, client func() string) (undo func(), err error) {
	if v.Slow == 0 || what.Event {
		return nil, nil
	}
	name := who.User
	if name == "" {
		name = "\x00" + client() // no user is called so
	}
	return h.talkers.pass(whoWhere{what.Room, name}, v.Slow, what.Key)
}
