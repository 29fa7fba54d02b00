package room

import (
	"sync/atomic"
	"time"

	"webim/netpoll"
)

// How long messages take from a room's log until the last of a shard's members was
// offered them is measured once a sweep, by its oldest message: no delivery took
// longer. That costs one reading of the clock a sweep, by the publisher that finds
// a shard with nothing before it, and none a member.

// deliveries are what the sweeps of a hub have done.
type deliveries struct {
	given atomic.Int64      // messages times members that were offered them
	took  netpoll.Histogram // of sweeps: how long their oldest message took
}

// clock is the time on the hub's own clock, in nanoseconds; never 0.
func (h *Hub) clock(now time.Time) int64 { return max(1, int64(now.Sub(h.started))) }

// cameLocked notes that there is a message for the shard. now is read when it is
// first needed. Room.mu is held.
func (sh *shard) cameLocked(now *int64) {
	if sh.since != 0 {
		return
	}
	if *now == 0 {
		*now = sh.room.hub.clock(time.Now())
	}
	sh.since = *now
}

// takenLocked notes that a cut was taken. What it left over is taken to have come
// evenly since the oldest message did. Room.mu is held.
func (sh *shard) takenLocked(now time.Time) {
	sh.oldest, sh.given = sh.since, 0
	if !sh.behind {
		sh.since = 0
		return
	}
	part := float64(sh.cut.Len()) / float64(sh.g.log.End()-sh.cursor)
	sh.since += int64(part * float64(sh.room.hub.clock(now)-sh.since))
}

// written notes that all members have been offered the cut.
func (sh *shard) written(now time.Time) {
	h := sh.room.hub
	h.deliveries.given.Add(sh.given)
	h.deliveries.took.Observe(time.Duration(h.clock(now) - sh.oldest))
}
