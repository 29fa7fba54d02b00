package timers

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func set(panics *int) *Set {
	return &Set{
		InStep: func(d time.Duration) time.Duration { return d },
		Guard: func(where string, f func()) {
			defer func() {
				if recover() != nil {
					*panics++
				}
			}()
			f()
		},
	}
}

// TestAfter checks that the function is called once, and not after Stop.
func TestAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls, panics int
		s := set(&panics)
		s.After(time.Second, func() { calls++ })
		s.After(time.Second, func() { panic("in a timer") })
		s.After(time.Second, func() { t.Error("a stopped timer calls") }).Stop()
		time.Sleep(time.Minute) // of the test's own clock
		synctest.Wait()
		if calls != 1 || panics != 1 || s.Len() != 0 {
			t.Errorf("%d calls, %d panics, %d timers run", calls, panics, s.Len())
		}
	})
}

// TestTick checks that a call which takes long delays the next one, that one which panics does not end the
// timer, and that a call may stop its own timer.
func TestTick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var panics int
		var at []time.Duration
		s, begun := set(&panics), time.Now()
		made := make(chan *Timer, 1)
		made <- s.Tick(time.Second, func() {
			at = append(at, time.Since(begun))
			switch len(at) {
			case 1:
				time.Sleep(5 * time.Second)
			case 2:
				panic("in a timer")
			case 3:
				(<-made).Stop()
			}
		})
		time.Sleep(time.Minute)
		synctest.Wait()
		want := []time.Duration{time.Second, 7 * time.Second, 8 * time.Second}
		if len(at) != 3 || at[0] != want[0] || at[1] != want[1] || at[2] != want[2] || panics != 1 || s.Len() != 0 {
			t.Errorf("calls at %v, want %v; %d panics, %d timers run", at, want, panics, s.Len())
		}
	})
}

// TestEnd checks that no timer calls after the end, whether it was there before or not.
func TestEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var panics int
		s := set(&panics)
		never := func() { t.Error("called after the end") }
		s.Tick(time.Second, never)
		s.After(time.Second, never)
		s.End()
		s.Tick(time.Second, never)
		s.After(time.Second, never).Stop()
		time.Sleep(time.Minute)
		synctest.Wait()
		if s.Len() != 0 {
			t.Errorf("%d timers run", s.Len())
		}
	})
}

// TestHold checks that no call begins between Hold and Release, that Hold waits for a call that runs, and that
// what has waited comes after it.
func TestHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex // of calls: those that have waited run at the same time
		var calls []string
		var panics int
		s, begun := set(&panics), time.Now()
		call := func(name string, takes time.Duration) func() {
			return func() {
				time.Sleep(takes) // of the test's own clock
				mu.Lock()
				defer mu.Unlock()
				calls = append(calls, name+time.Since(begun).String())
			}
		}
		s.After(time.Second, call("long ", 5*time.Second))
		s.After(3*time.Second, call("late ", 0))
		s.After(4*time.Second, call("stopped ", 0))
		stopped := s.After(4*time.Second, call("stopped ", 0))
		s.Tick(10*time.Second, call("tick ", 0))
		time.Sleep(2 * time.Second)
		short, cancel := context.WithTimeout(context.Background(), time.Second/2)
		defer cancel()
		if err := s.Hold(short); err != context.DeadlineExceeded {
			t.Errorf("while a call runs: %v", err)
		}
		if err := s.Hold(context.Background()); err != nil || time.Since(begun) != 6*time.Second {
			t.Errorf("%v after %v", err, time.Since(begun))
		}
		stopped.Stop()
		time.Sleep(time.Minute)
		s.Release()
		synctest.Wait()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		s.End()
		slices.Sort(calls[1:4])
		if want := []string{"long 6s", "late 1m6s", "stopped 1m6s", "tick 1m6s", "tick 1m16s"}; !slices.Equal(calls, want) || panics != 0 {
			t.Errorf("%q; want %q", calls, want)
		}
	})
}
