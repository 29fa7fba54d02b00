// Package latency estimates how long messages take from the log of a room until the last member of
// a shard was offered them.
//
// The estimate costs one reading of the clock for each sweep, by the publisher that finds a shard
// with nothing pending, some additions at the end of the sweep, and nothing for each member. The
// time at which the oldest message of a sweep came is known. The others are assumed to have come
// evenly from then on until the sweep began. Each message counts once for each member, so that one
// large room weighs as much as many small ones with as many members.
//
// All times are on the hub's clock, in nanoseconds, and are never 0.
package latency

import (
	"sync/atomic"
	"time"

	"webim/netpoll/durations"
)

// Deliveries counts the messages that the sweeps of a hub have offered to members. The zero value
// is ready. It is safe for concurrent use.
type Deliveries struct {
	Offered atomic.Int64        // messages times the members to which they were offered
	Sweeps  atomic.Int64        // sweeps that have ended
	Swept   atomic.Int64        // messages of these sweeps
	Latency durations.Histogram // of these
}

// Shard is the estimate for the messages of one shard. The owner's lock guards the methods, except
// Offer and End, which only the sweep calls. The zero value is ready.
type Shard struct {
	since   int64 // when the oldest message came that no cut has; 0: there is none
	oldest  int64 // when the oldest message of the cut came
	newest  int64 // an estimate of when the newest message of the cut came
	offered int64 // messages of the cut times the members to which they were offered
}

// Pending reports whether a message has come that no cut has.
func (s *Shard) Pending() bool { return s.since != 0 }

// Arrived notes the time at which a message has arrived. It is called if Pending is false.
func (s *Shard) Arrived(at int64) { s.since = at }

// Cut notes that a sweep begins, with a cut of so many messages. part is the part of the pending
// bytes that the cut has: below 1, the messages that are left over are assumed to have come evenly,
// too, after those of the cut.
func (s *Shard) Cut(now int64, messages int, part float64) {
	until := now
	if part < 1 {
		until = s.since + int64(part*float64(now-s.since))
	}
	n := int64(messages)
	s.oldest, s.newest, s.offered = s.since, s.since+(until-s.since)/n*(n-1), 0
	s.since = 0
	if part < 1 {
		s.since = until
	}
}

// Offer counts so many messages of the cut that were offered to a member.
func (s *Shard) Offer(messages int) { s.offered += int64(messages) }

// End notes that the sweep has ended: all members were offered the cut, which has so many messages.
func (s *Shard) End(now int64, messages int, d *Deliveries) {
	d.Sweeps.Add(1)
	d.Swept.Add(int64(messages))
	d.Offered.Add(s.offered)
	d.Latency.Spread(time.Duration(now-s.newest), time.Duration(now-s.oldest), uint64(s.offered))
}
