package room

import (
	"sync/atomic"
	"time"
)

// Clients that come back all at once, after a network failed or a server was restarted,
// want two things of the processors: their handshakes, of some 25 µs each, and each
// message of the rooms that fill. With 10,000 clients and 20 messages a second the
// sweeps cost more than the handshakes: one for each message and each client that is
// already back. So while a crowd arrives, rooms gather messages for longer, see
// pauseAfter. A room is late by what its own sweeps cost; small rooms notice nothing.

const (
	// crowdRate is how many connections a second for each processor are a crowd: their
	// handshakes take a sixteenth of it.
	burstRate = 2500
	// crowdSpan is the time over which connections are counted. A crowd is over when two
	// such spans have passed without that many.
	arrivalSpan = 20 * time.Millisecond
)

// arrivals counts connections as they open, in spans of crowdSpan of the hub's clock. Any
// goroutine may call its methods. A connection that is counted in the wrong span does no
// harm.
type arrivals struct {
	threshold int64        // how many connections in a span are a crowd
	span      atomic.Int64 // the number of the span
	count     atomic.Int64 // connections in it
	lastBurst atomic.Int64 // when a span last had that many; 0: never
}

// crowdOf is how many connections in a span are a crowd for so many processors.
func burstThreshold(processors int) int64 {
	return int64(burstRate*arrivalSpan.Seconds()) * int64(processors)
}

// came counts a connection that opens now.
func (a *arrivals) add(now int64) {
	span := now / int64(arrivalSpan)
	if was := a.span.Load(); was != span && a.span.CompareAndSwap(was, span) {
		a.count.Store(0)
	}
	if a.count.Add(1) >= a.threshold {
		a.lastBurst.Store(now)
	}
}

// areMany reports whether a crowd arrives now.
func (a *arrivals) inBurst(now int64) bool {
	last := a.lastBurst.Load()
	return last != 0 && now-last < 2*int64(arrivalSpan)
}

// CountArrival counts a connection that opens now, see pauseAfter.
func (h *Hub) CountArrival() { h.arrivals.add(h.now()) }
