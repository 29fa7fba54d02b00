package netpoll

import (
	"sync/atomic"
	"testing"
	"time"

	"webim/netpoll/internal/wheel"
)

// What is in the background waits for all others and for its half of the workers, and
// is neither starved nor lost.
func TestBackground(t *testing.T) {
	p := newPool(&wheel.Clock{Start: time.Now(), Tick: time.Millisecond}, 4, false)
	back := func() *record {
		r := new(record)
		r.flags.Store(fBackground)
		return r
	}
	for range 6 {
		p.push(task{r: back()})
	}
	turn := new(Turn)
	p.push(task{t: turn})
	if got, back, ok := p.take(false); got.t != turn || back || !ok {
		t.Error("a turn in the background went first")
	}
	for range 2 {
		if _, back, ok := p.take(false); !back || !ok {
			t.Error("a turn in the background does not run while nothing else is there")
		}
	}
	p.mu.Lock()
	more := p.backLocked()
	p.mu.Unlock()
	if more {
		t.Error("more than half of the workers run turns in the background")
	}
	for i := range 4 { // a worker that ends one takes the next
		if got, back, ok := p.take(true); !ok || !back || got.r == nil {
			t.Fatalf("task %d: %v, %v, %v", i, got, back, ok)
		}
	}
	p.close()
	if _, _, ok := p.take(true); ok {
		t.Error("a closed, empty pool has a task")
	}
}

func TestBackgroundIsNotStarved(t *testing.T) {
	p := newPool(&wheel.Clock{Start: time.Now(), Tick: time.Millisecond}, 2, false)
	r := new(record)
	r.flags.Store(fBackground)
	p.push(task{r: r})
	turn := new(Turn)
	for range 2 * backTurn {
		p.push(task{t: turn})
	}
	for n := range backTurn + 1 {
		if got, _, _ := p.take(false); got.r == r {
			if n == 0 {
				t.Error("it went before all others")
			}
			return
		}
	}
	t.Error("others that came later always went first")
}

// Workers that wait while the last tasks in the background run end with the pool.
func TestBackgroundEndsWithThePool(t *testing.T) {
	s, finish := crew(Config{Workers: 4})
	var ran atomic.Int64
	s.NewTurn(func() bool { ran.Add(1); return false }).Wake()
	for range 100 {
		r := new(record) // of no connection: its turn does nothing
		r.flags.Store(fBackground)
		s.pool.push(task{r: r})
	}
	finish()
	if ran.Load() != 1 || s.pool.back.n != 0 {
		t.Errorf("%d turns ran, %d tasks are left", ran.Load(), s.pool.back.n)
	}
}
