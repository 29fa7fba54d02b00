package wheel

import (
	"sync/atomic"
	"time"
)

// A Clock counts ticks since its start. Start and Tick are set before its first use. All methods
// are safe for concurrent use.
//
// Nothing moves the clock at each tick: Nanos and Look do, which the server calls when a wheel
// turns, when a worker wakes up, and for each 16th task. So Last may be up to an idle tick old.
// That is good enough to note when bytes came and went. To set a deadline, or to decide about one,
// call Look.
//
// 100 ms in 32 bits last 13 years.
type Clock struct {
	Start time.Time
	Tick  time.Duration
	Last  atomic.Uint32 // the latest tick that was looked at
}

// Time returns the wall time of a tick, which may lie before the start.
func (c *Clock) Time(tick uint32) time.Time {
	now := c.Last.Load()
	return c.Start.Round(0).Add(time.Duration(now)*c.Tick + time.Duration(int32(tick-now))*c.Tick)
}

// In returns the time from one tick to another, in milliseconds; it is negative if due is before now.
func (c *Clock) In(due, now uint32) int64 {
	return (time.Duration(int32(due-now)) * c.Tick).Milliseconds()
}

// At returns the tick that lies a number of milliseconds behind now: of a time that In has returned, here or in another
// process. More than a year is a year.
func (c *Clock) At(in int64, now uint32) uint32 {
	const year = 365 * 24 * int64(time.Hour/time.Millisecond)
	return now + uint32(int32(time.Duration(min(max(in, -year), year))*time.Millisecond/c.Tick))
}

// Nanos returns the monotonic time since the start, in nanoseconds. It costs 40 ns and moves the
// clock on.
func (c *Clock) Nanos() int64 {
	t := time.Since(c.Start)
	for now := uint32(t / c.Tick); ; {
		old := c.Last.Load()
		if int32(now-old) <= 0 || c.Last.CompareAndSwap(old, now) {
			return int64(t)
		}
	}
}

// Look returns the current tick. It costs as much as Nanos.
func (c *Clock) Look() uint32 {
	c.Nanos()
	return c.Last.Load()
}

// Until returns the time from now to a tick. It is negative if the tick has passed.
func (c *Clock) Until(tick uint32) time.Duration {
	past := time.Since(c.Start)
	ticks := int32(tick - uint32(past/c.Tick))
	return time.Duration(ticks)*c.Tick - past%c.Tick
}

// Ticks returns a duration in ticks, rounded up, at least 1.
func (c *Clock) Ticks(d time.Duration) uint32 {
	return uint32(max(1, (d+c.Tick-1)/c.Tick))
}

// InStep returns d, shortened so that it ends with a whole second of the clock if d is a number of
// whole seconds. Timers that use it wake the process together.
func (c *Clock) InStep(d time.Duration) time.Duration {
	if d <= 0 || d%time.Second != 0 {
		return d
	}
	return d - time.Since(c.Start)%time.Second
}
