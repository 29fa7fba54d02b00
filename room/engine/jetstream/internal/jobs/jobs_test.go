package jobs

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"webim/netpoll/wstest"
)

func TestMain(m *testing.M) { wstest.Main(m) }

func TestLockOrderNamesEachMutex(t *testing.T) { wstest.LockOrder(t) }

// TestPause checks which jobs run while a pool is paused or drained: of one that runs, one that waits for it, and one that is
// given later. All run after Resume, in their order.
func TestPause(t *testing.T) {
	for name, drain := range map[string]bool{"Pause": false, "Drain": true} {
		t.Run(name, func(t *testing.T) {
			p := New(1)
			defer p.Close()
			stop := p.Pause
			if drain {
				stop = p.Drain
			}
			var mu sync.Mutex
			var ran []int
			all := make(chan bool)
			job := func(i int) func() {
				return func() {
					mu.Lock()
					defer mu.Unlock()
					if ran = append(ran, i); len(ran) == 3 {
						close(all)
					}
				}
			}
			release := make(chan bool)
			p.Go(func() { <-release; job(1)() })
			p.Go(job(2))
			ended, cancel := context.WithCancel(t.Context())
			cancel()
			if err := stop(ended); !errors.Is(err, context.Canceled) || !p.Pausing() {
				t.Errorf("with a job that runs: %v", err)
			}
			p.Go(job(3))
			stopped := make(chan error)
			go func() { stopped <- stop(t.Context()) }()
			release <- true
			if err := <-stopped; err != nil {
				t.Error(err)
			}
			want := []int{1}
			if drain {
				want = []int{1, 2}
			}
			mu.Lock()
			if !slices.Equal(ran, want) {
				t.Errorf("ran %v, want %v", ran, want)
			}
			mu.Unlock()
			p.Resume()
			<-all
			if !slices.Equal(ran, []int{1, 2, 3}) || p.Pausing() {
				t.Errorf("after Resume: %v", ran)
			}
		})
	}
}

// TestClosePaused checks that a paused pool ends without the jobs that wait.
func TestClosePaused(t *testing.T) {
	p := New(4)
	if err := p.Pause(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.Go(func() { t.Error("a job runs") })
	p.After(0, func() { t.Error("a delayed job runs") })
	p.Close()
	p.Resume()
	p.Go(func() { t.Error("a job runs after Close") })
}
