package room

import (
	"runtime"
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
	crowdRate = 2500
	// crowdSpan is the least time over which they are counted.
	crowdSpan = 20 * time.Millisecond
)

// arrivals counts connections as they open. The zero value is ready.
type arrivals struct {
	n     atomic.Int64 // connections so far
	seen  atomic.Int64 // n, when it was last looked at
	at    atomic.Int64 // and when that was, by the hub's clock
	crowd atomic.Bool  // what was found then
}

// areMany reports whether a crowd arrives at a time of the hub's clock. Any goroutine.
func (a *arrivals) areMany(now int64) bool {
	at := a.at.Load()
	if span := now - at; span >= int64(crowdSpan) && a.at.CompareAndSwap(at, now) {
		n := a.n.Load()
		came := n - a.seen.Swap(n)
		a.crowd.Store(float64(came) >= crowdRate*float64(runtime.GOMAXPROCS(0))*time.Duration(span).Seconds())
	}
	return a.crowd.Load()
}
