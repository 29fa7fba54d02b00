package chat

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"webim/room/budget"
	"webim/room/wire"
)

// Rates of invitations: from one owner to one user, and from one owner to all users. Each node
// counts separately.
var (
	pairRate   = budget.Rate{N: 5, Per: 10 * time.Minute}
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

// invitations counts invitations. The zero value is ready to use, and safe for concurrent use.
type invitations struct {
	mu         sync.Mutex
	began      time.Time
	young, old map[pair]*budget.Bucket
}

// take counts invitations from an owner to users. A refused call may still count for some of them.
// Callers call take before they look up anything about the users, so that the result reveals
// nothing about them.
func (i *invitations) take(from budget.Owner, users ...string) error {
	if len(users) == 0 {
		return nil
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.began.IsZero() {
		i.began = time.Now()
	}
	now := int64(time.Since(i.began))
	users = slices.Compact(slices.Sorted(slices.Values(users)))
	if !i.bucket(pair{from, ""}).Take(senderRate, len(users), now) {
		return wire.Explain(wire.ErrTooManyRequests, fmt.Sprintf("too many requests: %d invitations in %v are allowed: wait", senderRate.N, senderRate.Per))
	}
	for _, user := range users {
		if !i.bucket(pair{from, user}).Take(pairRate, 1, now) {
			return wire.Explain(wire.ErrTooManyRequests, fmt.Sprintf("too many requests: a user gets %d invitations of yours in %v: wait", pairRate.N, pairRate.Per))
		}
	}
	return nil
}

// bucket returns the bucket of a pair. The caller holds i.mu.
func (i *invitations) bucket(p pair) *budget.Bucket {
	if b := i.young[p]; b != nil {
		return b
	}
	b := i.old[p]
	if b == nil {
		b = new(budget.Bucket)
	}
	if i.young == nil || len(i.young) >= maxPairs {
		i.young, i.old = map[pair]*budget.Bucket{}, i.young
	}
	i.young[p] = b
	return b
}
