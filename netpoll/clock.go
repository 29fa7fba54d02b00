package netpoll

import (
	"sync/atomic"
	"time"
)

// clock counts ticks since the server's start. Reading it is one load, so
// traffic can note when it was seen for free. Nothing moves it at each tick:
// whoever reads the time for a reason of its own does (look): the wheels, a
// worker that wakes up, and each 16th task. So it may be a rest old, which is good
// enough to tell when bytes came and went; who sets or judges a deadline looks.
// 100 ms in 32 bits last 13 years.
type clock struct {
	start time.Time
	tick  time.Duration
	now   atomic.Uint32
}

// time turns a tick into wall time.
func (c *clock) time(tick uint32) time.Time {
	return c.start.Round(0).Add(time.Duration(tick) * c.tick)
}

// nanos is the monotonic time since start, exact and 40 ns dear; it moves the
// clock on.
func (c *clock) nanos() int64 {
	t := time.Since(c.start)
	for now := uint32(t / c.tick); ; {
		old := c.now.Load()
		if int32(now-old) <= 0 || c.now.CompareAndSwap(old, now) {
			return int64(t)
		}
	}
}

// look is the tick that it is, exactly.
func (c *clock) look() uint32 {
	c.nanos()
	return c.now.Load()
}

// until is the time that is left before a tick, negative if it is past.
func (c *clock) until(tick uint32) time.Duration {
	past := time.Since(c.start)
	ticks := int32(tick - uint32(past/c.tick))
	return time.Duration(ticks)*c.tick - past%c.tick
}

// ticks turns a duration into ticks, rounded up.
func (c *clock) ticks(d time.Duration) uint32 {
	return uint32(max(1, (d+c.tick-1)/c.tick))
}

// inStep is d, less what has passed of the clock's second if d is in whole ones.
func (c *clock) inStep(d time.Duration) time.Duration {
	if d <= 0 || d%time.Second != 0 {
		return d
	}
	return d - time.Since(c.start)%time.Second
}
