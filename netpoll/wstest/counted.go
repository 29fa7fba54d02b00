package wstest

import (
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"
)

// Counted is a task for tests of turns, which are woken at random while they run. The rule that it
// checks: a run that begins after a wake sees everything that was posted before the wake, and there is
// one run at a time. Its zero value is ready. All methods may be called from any goroutine.
type Counted struct {
	posted, seen, runs, mores, overlaps atomic.Int64
	running                             atomic.Bool
}

// Post adds something that a run must see. The caller then wakes the turn.
func (c *Counted) Post() { c.posted.Add(1) }

// Run is the function of the turn. It asks for one more run now and then.
func (c *Counted) Run() (more bool) {
	if c.running.Swap(true) {
		c.overlaps.Add(1)
	}
	c.runs.Add(1)
	c.seen.Store(c.posted.Load())
	if rand.IntN(4) == 0 {
		time.Sleep(time.Duration(rand.IntN(20)) * time.Microsecond) // others come between, it orders nothing
	}
	if more = rand.IntN(8) == 0; more {
		c.mores.Add(1)
	}
	c.running.Store(false)
	return more
}

// SawAll reports whether a run has seen everything that was posted.
func (c *Counted) SawAll() bool { return c.seen.Load() == c.posted.Load() }

// Check fails the test if the runs broke the rule, or if there were more of them than wakes and
// requests for one more. The turn must be idle.
func (c *Counted) Check(t testing.TB, turn int) {
	t.Helper()
	posted, runs, mores := c.posted.Load(), c.runs.Load(), c.mores.Load()
	if seen := c.seen.Load(); seen != posted {
		t.Errorf("turn %d has looked at %d of %d: a wake led to no run", turn, seen, posted)
	}
	if runs > posted+mores {
		t.Errorf("turn %d ran %d times for %d wakes and %d mores", turn, runs, posted, mores)
	}
	if n := c.overlaps.Load(); n != 0 {
		t.Errorf("%d runs of turn %d began while it was running", n, turn)
	}
}
