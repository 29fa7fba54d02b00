package pause

import (
	"sync/atomic"
	"time"
)

// window is the time over which the load is added up before it is judged.
const window = 25 * time.Millisecond

// quiet is the time without a sweep after which the load is not known, in nanoseconds.
const quiet = int64(4 * window)

// unknown stands for a load that is not known, as Load.level.
const unknown = int64(loadFull * 1024)

// Load measures the load that the sweeps of a hub make: 1 means that all workers would be busy if
// each message was swept by itself. Windows of time follow each other as long as sweeps do, and the
// windows before the last one make half of the load.
//
// When nothing was swept for a while, the load is not known, and is assumed to be high. If it was
// assumed to be low, a room would sweep each message by itself when a flood begins, and would be
// late for long. If it is assumed to be high, a lone message is followed by no pause anyway.
//
// Call Begin first. Then any goroutine may call Add, Value and Known.
type Load struct {
	workers int64

	work        atomic.Int64 // nanoseconds, in this window
	windowStart atomic.Int64 // on the hub's clock
	level       atomic.Int64 // the load of the last windows, in 1/1024
}

// Begin sets the number of workers. The load is not known yet.
func (l *Load) Begin(workers int) {
	l.workers = int64(workers)
	l.level.Store(unknown)
}

// Add adds a sweep that has just ended: the time now on the hub's clock, in nanoseconds, the time
// that the sweep took, and its number of messages.
func (l *Load) Add(now int64, sweep time.Duration, messages int) {
	work := l.work.Add(int64(sweep) * int64(messages))
	start := l.windowStart.Load()
	past := now - start
	if past < int64(window) || !l.windowStart.CompareAndSwap(start, now) {
		return
	}
	l.work.Add(-work)
	level := work * 1024 / (past * l.workers)
	if level = (level + l.level.Load()) / 2; past >= quiet {
		level = unknown
	}
	l.level.Store(level)
}

// Value returns the load.
func (l *Load) Value() float64 { return float64(l.level.Load()) / 1024 }

// Known returns the load, or 0 if it is not known: messages that nobody sweeps make none, and must not wait as in a flood.
func (l *Load) Known(now int64) float64 {
	if level := l.level.Load(); level != unknown && now-l.windowStart.Load() < quiet {
		return float64(level) / 1024
	}
	return 0
}
