package daily

import (
	"sync"
	"time"

	"webim/room/budget"
)

// Shares are what payers have left of a day's share. Each payer has all of it at once; it refills evenly in a day. All
// methods are safe for concurrent use.
type Shares struct {
	rate    budget.Rate
	started time.Time

	mu      sync.Mutex
	buckets map[budget.Owner]*budget.Bucket // of the payers that have taken some; some may be full again
	look    int                             // the number of buckets at which those that are full are removed
}

const day = 24 * time.Hour

// New returns shares of this many units a day. A negative number means no limit.
func New(units int, now time.Time) *Shares {
	return &Shares{rate: budget.Rate{N: units, Per: day}, started: now, buckets: map[budget.Owner]*budget.Bucket{}, look: 1024}
}

// Take takes units of a payer's share, and reports whether it had so many. The server, which is the zero Owner, has no
// limit.
func (s *Shares) Take(payer budget.Owner, units int, now time.Time) bool {
	if s.rate.N < 0 || payer == (budget.Owner{}) {
		return true
	}
	clock := int64(max(0, now.Sub(s.started)))
	return s.of(payer, clock).Take(s.rate, units, clock)
}

// of returns the bucket of a payer.
func (s *Shares) of(payer budget.Owner, clock int64) *budget.Bucket {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b := s.buckets[payer]; b != nil {
		return b
	}
	if len(s.buckets) >= s.look {
		for o, b := range s.buckets {
			if b.Full() <= clock {
				delete(s.buckets, o)
			}
		}
		s.look = max(1024, 2*len(s.buckets))
	}
	b := new(budget.Bucket)
	s.buckets[payer] = b
	return b
}
