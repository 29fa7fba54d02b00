package chat

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"webim/room/budget"
	"webim/room/wire"
)

// Rates of invitations: of one owner to one user, and of one owner to all. Each node
// counts for itself.
var (
	pairRate   = budget.Rate{N: 5, Per: 10 * time.Minute}
	senderRate = budget.Rate{N: 200, Per: 10 * time.Minute}
)

// maxPairs are the pairs that are remembered for sure, and twice as many at most; some
// 150 bytes each. The oldest are forgotten as a whole when as many have come since.
const maxPairs = 10_000

// pair is an inviting owner and an invited user; "" stands for all users.
type pair struct {
	from budget.Owner
	to   string
}

// invitations count. The zero value is ready; it is safe for concurrent use.
type invitations struct {
	mu         sync.Mutex
	began      time.Time
	young, old map[pair]*budget.Bucket
}

// take counts invitations of an owner to users; a call that is refused may count for
// some of them. It is called before anything of a user is looked at: so the answer
// tells nothing of the user.
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

// bucket is that of a pair. i.mu is held.
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
