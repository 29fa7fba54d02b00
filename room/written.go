package room

import (
	"sync/atomic"
	"time"

	"webim/netpoll"
)

// How long messages take from a room's log until the last of a shard's members was
// offered them is reckoned once a sweep: when its oldest message came is known, and
// the others are taken to have come evenly from then on until it began. Each counts
// once for each member, so that a large room is not hidden behind many small ones.
// That costs one reading of the clock a sweep, by the publisher that finds a shard
// with nothing before it, some additions at its end, and nothing a member.

// deliveries are what the sweeps of a hub have done.
type deliveries struct {
	offered atomic.Int64      // messages times members that were offered them
	latency netpoll.Histogram // of these: from the log until the sweep's end
}

// clock is the time on the hub's own clock, in nanoseconds; never 0.
func (h *Hub) clock(now time.Time) int64 { return max(1, int64(now.Sub(h.started))) }

// now returns the time since the hub was made, in nanoseconds.
func (h *Hub) now() int64 { return int64(time.Since(h.started)) }

// cameLocked notes that there is a message for the shard. now is read when it is
// first needed. Room.mu is held.
func (sh *shard) markPendingLocked(now *int64) {
	if sh.pendingSince != 0 {
		return
	}
	if *now == 0 {
		*now = sh.room.hub.clock(time.Now())
	}
	sh.pendingSince = *now
}

// takenLocked notes that a cut was taken. What it left over is taken to have come
// evenly with the rest since the oldest message did. Room.mu is held.
func (sh *shard) noteCutLocked(now time.Time) {
	until := sh.room.hub.clock(now)
	if sh.partialCut {
		part := float64(sh.cut.Len()) / float64(sh.g.log.End()-sh.cursor)
		until = sh.pendingSince + int64(part*float64(until-sh.pendingSince))
	}
	n := int64(sh.cut.Messages())
	sh.oldest, sh.newest, sh.offered = sh.pendingSince, sh.pendingSince+(until-sh.pendingSince)/n*(n-1), 0
	sh.pendingSince = 0
	if sh.partialCut {
		sh.pendingSince = until
	}
}

// written notes that all members have been offered the cut.
func (sh *shard) recordLatency(now time.Time) {
	d, end := &sh.room.hub.deliveries, sh.room.hub.clock(now)
	d.offered.Add(sh.offered)
	d.latency.Spread(time.Duration(end-sh.newest), time.Duration(end-sh.oldest), uint64(sh.offered))
}
