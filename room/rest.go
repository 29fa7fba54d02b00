package room

import (
	"sync/atomic"
	"time"
)

// When a busy room rests.
//
// A sweep that takes ten messages costs little more than one that takes one. So a shard
// that rests after a sweep, and gathers, spends less of the processor on each delivery. But
// a message that comes during the rest waits, on average half of it, and if the processor
// has nothing else to do, that is for nothing. What decides is the load: the part of the
// workers' time that it would take to sweep each message by itself. Unlike the time for
// which the workers are busy, it does not fall because shards rest, so the rest does not
// swing.
//
// Measured on two processors, one room of 1,000, client beside the server: from 100 to 300
// messages a second a rest of 5 ms has the best 50th and 99th percentile of none, 1, 5 and
// 25 ms; 25 ms double both. The load is 0.2 to 0.9 while the machine is fast, and up to 3 in
// hours in which it is slow by half. From 1,000 messages a second on, 25 ms halve the
// processor's time for a delivery.

// The loads that decide how long a shard rests at most; in between it is linear.
const (
	loadNoPause   = 1.0 / 16 // up to this no rest
	loadShortFrom = 1.0 / 4  // shortRest from here
	loadShortTo   = 3.0      // to here
	loadFull      = 5.0      // Config.MaxPause from here on

	shortPause = 5 * time.Millisecond
)

// longestAt is how long a shard rests at most at a load; longest is Config.MaxPause.
func longestPause(load float64, longest time.Duration) time.Duration {
	short := min(shortPause, longest)
	return time.Duration(float64(short)*ramp(loadNoPause, load, loadShortFrom)) +
		time.Duration(float64(longest-short)*ramp(loadShortTo, load, loadFull))
}

// between is 0 up to low, 1 from high on, and linear between.
func ramp(low, x, high float64) float64 { return min(max((x-low)/(high-low), 0), 1) }

// loadWindow is how long the load is added up before it is judged anew.
const loadWindow = 25 * time.Millisecond

const loadUnknown = int64(loadFull * 1024)

// load measures the load of a hub. Windows follow each other while sweeps do, and half of
// what a window says comes from those before it. When nothing was swept for a while the load
// is not known, and taken for a high one: a room that does not rest when a flood begins is
// late for long, and a lone message is followed by no rest anyway. It is safe for concurrent
// use.
type load struct {
	workers int64 // set before the first sweep

	work        atomic.Int64 // nanoseconds, in this window
	windowStart atomic.Int64 // when it began, on the hub's clock
	level       atomic.Int64 // of the workers' time in the last windows, in 1/1024
}

// swept notes a sweep of so many messages that has just ended.
func (l *load) add(now int64, spent time.Duration, messages int) {
	work := l.work.Add(int64(spent) * int64(messages))
	since := l.windowStart.Load()
	past := now - since
	if past < int64(loadWindow) || !l.windowStart.CompareAndSwap(since, now) {
		return
	}
	l.work.Add(-work)
	part := work * 1024 / (past * l.workers)
	if part = (part + l.level.Load()) / 2; past >= 4*int64(loadWindow) {
		part = loadUnknown
	}
	l.level.Store(part)
}

// now is the load.
func (l *load) value() float64 { return float64(l.level.Load()) / 1024 }
