package invitations

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"webim/room/budget"
	"webim/room/wire"
)

// Rates of invitations: PairRate from one owner to one user, and senderRate from one owner to all users.
var (
	PairRate   = budget.Rate{N: 5, Per: 10 * time.Minute}
	senderRate = budget.Rate{N: 200, Per: 10 * time.Minute}
)

// maxPairs is how many of the latest pairs are certainly remembered. At most twice as many are, at
// about 150 bytes each. When the younger map is full, the older one is dropped as a whole.
const maxPairs = 10_000

// pair is an inviting owner and an invited user; "" stands for all users.
type pair struct {
	from budget.Owner
	to   string
}

// Counter counts invitations. The zero value is ready to use, and safe for concurrent use.
type Counter struct {
	mu         sync.Mutex
	began      time.Time
	young, old map[pair]*budget.Bucket
}

// Take counts invitations from an owner to users. A refused call may still count for some of them.
// Callers call Take before they look up anything about the users, so that the result reveals
// nothing about them.
func (c *Counter) Take(from budget.Owner, users ...string) error {
	if len(users) == 0 {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.began.IsZero() {
		c.began = time.Now()
	}
	now := int64(time.Since(c.began))
	users = slices.Compact(slices.Sorted(slices.Values(users)))
	if !c.bucket(pair{from, ""}).Take(senderRate, len(users), now) {
		return wire.Explain(wire.ErrTooManyRequests, fmt.Sprintf("too many requests: %d invitations in %v are allowed: wait", senderRate.N, senderRate.Per))
	}
	for _, user := range users {
		if !c.bucket(pair{from, user}).Take(PairRate, 1, now) {
			return wire.Explain(wire.ErrTooManyRequests, fmt.Sprintf("too many requests: a user gets %d invitations of yours in %v: wait", PairRate.N, PairRate.Per))
		}
	}
	return nil
}

// bucket returns the bucket of a pair. The caller holds c.mu.
func (c *Counter) bucket(p pair) *budget.Bucket {
	if b := c.young[p]; b != nil {
		return b
	}
	b := c.old[p]
	if b == nil {
		b = new(budget.Bucket)
	}
	if c.young == nil || len(c.young) >= maxPairs {
		c.young, c.old = map[pair]*budget.Bucket{}, c.young
	}
	c.young[p] = b
	return b
}
