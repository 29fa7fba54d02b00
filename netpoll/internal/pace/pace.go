// Package pace spreads work over a time, and waits until a count has fallen to 0.
package pace

import "time"

const (
	spreadStep = 5 * time.Millisecond
	lookEvery  = 2 * time.Millisecond
)

// Spread calls do with the next of n items, from one number to another, until all have had their turn: spread evenly over
// a time, in steps of 5 ms. It returns early if do returns false, or when stop is closed.
func Spread(n int, over time.Duration, stop <-chan struct{}, do func(from, to int) (more bool)) {
	t := time.NewTicker(spreadStep)
	defer t.Stop()
	for begun, done := time.Now(), 0; ; {
		due := n
		if passed := time.Since(begun); passed < over {
			due = min(due, 1+int(float64(due)*passed.Seconds()/over.Seconds()))
		}
		more := do(done, due)
		if done = due; done == n || !more {
			return
		}
		select {
		case <-stop:
			return
		case <-t.C:
		}
	}
}

// UntilZero waits until left returns 0, or until stop is closed.
func UntilZero(stop <-chan struct{}, left func() int64) {
	t := time.NewTicker(lookEvery)
	defer t.Stop()
	for left() > 0 {
		select {
		case <-stop:
			return
		case <-t.C:
		}
	}
}
