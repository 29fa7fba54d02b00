package pace

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestSpread checks that items have their turns evenly, each once, and that Spread ends early.
func TestSpread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun, next := time.Now(), 0
		Spread(100, time.Second, nil, func(from, to int) bool {
			if from != next || to-from > 2 {
				t.Errorf("after %v, items %d to %d; %d were done", time.Since(begun), from, to, next)
			}
			next = to
			return true
		})
		if took := time.Since(begun); next != 100 || took < 900*time.Millisecond || took > 1010*time.Millisecond {
			t.Errorf("%d items in %v", next, took)
		}
		for name, c := range map[string]struct {
			stop chan struct{}
			more bool
			over time.Duration
			want int
		}{
			"no more": {nil, false, time.Second, 1},
			"at once": {nil, true, 0, 100},
			"stopped": {make(chan struct{}), true, time.Hour, 1},
		} {
			if c.stop != nil {
				close(c.stop)
			}
			done := 0
			Spread(100, c.over, c.stop, func(_, to int) bool { done = to; return c.more })
			if done != c.want {
				t.Errorf("%s: %d were done; want %d", name, done, c.want)
			}
		}
	})
}

// TestUntilZero checks that the wait ends with the count, or early.
func TestUntilZero(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		left := int64(5)
		UntilZero(nil, func() int64 { left--; return left })
		if left != 0 {
			t.Errorf("ended at %d", left)
		}
		stop := make(chan struct{})
		close(stop)
		UntilZero(stop, func() int64 { return 1 })
	})
}
