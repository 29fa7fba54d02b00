package pause

import (
	"sync/atomic"
	"time"
)

// When many clients reconnect at once, after a network failed or a server was restarted, they need
// the processors for two things: their handshakes, of about 25 µs each, and the messages of the
// rooms that fill. With 10,000 clients and 20 messages a second, the sweeps cost more than the
// handshakes: one write for each message and each client that is already back. So during such a
// burst, rooms gather messages for longer, see After. The pause of a room depends on the cost of
// its own sweeps, so small rooms pause hardly at all.

const (
	// burstRate is the number of connections a second, for each processor, that make a burst. Their
	// handshakes take a sixteenth of the processor.
	burstRate = 2500
	// span is the time over which connections are counted. A burst is over when no span has had that
	// many connections for two spans.
	span = 20 * time.Millisecond
)

// Arrivals counts the connections that open, in spans of the hub's clock. Any goroutine may call
// its methods. A connection that is counted in the wrong span does no harm.
type Arrivals struct {
	threshold int64        // as many connections in a span are a burst
	span      atomic.Int64 // the number of the current span
	count     atomic.Int64 // of connections in it
	last      atomic.Int64 // when a span last reached the threshold; 0: never
}

// Threshold returns how many connections in a span are a burst, for so many processors.
func Threshold(processors int) int64 { return int64(burstRate*span.Seconds()) * int64(processors) }

// NewArrivals returns an Arrivals for which as many connections in a span are a burst.
func NewArrivals(threshold int64) *Arrivals { return &Arrivals{threshold: threshold} }

// Add counts a connection that opens now, on the hub's clock in nanoseconds.
func (a *Arrivals) Add(now int64) {
	n := now / int64(span)
	if was := a.span.Load(); was != n && a.span.CompareAndSwap(was, n) {
		a.count.Store(0)
	}
	if a.count.Add(1) >= a.threshold {
		a.last.Store(now)
	}
}

// Burst reports whether many clients connect now, on the hub's clock in nanoseconds.
func (a *Arrivals) Burst(now int64) bool {
	last := a.last.Load()
	return last != 0 && now-last < 2*int64(span)
}
