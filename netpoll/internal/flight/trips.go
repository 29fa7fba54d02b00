package flight

import "sync/atomic"

// underWay is the number of pings that may be under way; a later one takes the place of an earlier one.
const underWay = 1024

// Trips knows when the pings were sent that are not answered yet. The zero value is ready; all methods are
// safe for concurrent use.
type Trips struct{ all [underWay]trip }

type trip struct{ id, at atomic.Uint64 }

// Begin notes that a ping was sent to a connection at a time in nanoseconds.
func (t *Trips) Begin(id uint64, now int64) {
	one := &t.all[id%underWay]
	one.id.Store(0)
	one.at.Store(uint64(now))
	one.id.Store(id)
}

// End returns the time in nanoseconds since Begin; ok is false if it is not known.
func (t *Trips) End(id uint64, now int64) (took int64, ok bool) {
	one := &t.all[id%underWay]
	if one.id.Load() != id {
		return 0, false
	}
	at := int64(one.at.Load())
	if !one.id.CompareAndSwap(id, 0) { // another ping took the place
		return 0, false
	}
	return max(0, now-at), true
}
