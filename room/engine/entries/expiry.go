package entries

import (
	"container/heap"
	"time"
)

// Expire removes the entries that have expired, and calls the watchers.
func (s *Entries) Expire(now time.Time) {
	for len(s.expiries) > 0 && s.expiries[0].expiredAt(now) {
		s.remove(s.expiries[0])
	}
}

// expiries are the records that expire, the next one first: a container/heap.
type expiries []*record

// add adds a record if it expires.
func (e *expiries) add(r *record) {
	if !r.Expires.IsZero() {
		heap.Push(e, r)
	}
}

// remove removes a record if it is there.
func (e *expiries) remove(r *record) {
	if r.index >= 0 {
		heap.Remove(e, int(r.index))
	}
}

// Len is part of heap.Interface.
func (e expiries) Len() int { return len(e) }

// Less is part of heap.Interface.
func (e expiries) Less(i, j int) bool { return e[i].Expires.Before(e[j].Expires) }

// Swap is part of heap.Interface.
func (e expiries) Swap(i, j int) {
	e[i], e[j] = e[j], e[i]
	e[i].index, e[j].index = int32(i), int32(j)
}

// Push is part of heap.Interface.
func (e *expiries) Push(r any) {
	r.(*record).index = int32(len(*e))
	*e = append(*e, r.(*record))
}

// Pop is part of heap.Interface.
func (e *expiries) Pop() any {
	old := *e
	r := old[len(old)-1]
	old[len(old)-1] = nil
	*e, r.index = old[:len(old)-1], -1
	return r
}
