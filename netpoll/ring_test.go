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

// A connection that is heavy waits for what is in front, also for what comes later, and
// goes before the background. Nothing is starved.
func TestHeavy(t *testing.T) {
	p := newPool(&wheel.Clock{Start: time.Now(), Tick: time.Millisecond}, 2, true)
	light, heavy, back := new(record), new(record), new(record)
	heavy.flags.Store(fHeavy)
	back.flags.Store(fBackground | fHeavy)
	p.pushAll([]task{{r: back}, {r: heavy}, {r: light}}, true, false)
	if got, ok := p.takeOnLoop(); !ok || got.r != light {
		t.Errorf("a loop took %+v first", got)
	}
	if got, ok := p.takeOnLoop(); ok {
		t.Errorf("a loop took %+v, which is not for loops", got)
	}
	p.push(task{r: light})
	for i, want := range []*record{light, heavy, back} {
		if got, _, ok := p.take(false); !ok || got.r != want {
			t.Errorf("task %d is not the one that is next", i)
		}
	}
	p.push(task{r: heavy})
	turn := new(Turn)
	for range 2 * heavyTurn {
		p.push(task{t: turn})
	}
	for n := range heavyTurn + 1 {
		if got, _, _ := p.take(false); got.r == heavy {
			if n == 0 {
				t.Error("it went before all others")
			}
			return
		}
	}
	t.Error("others that came later always went first")
}

// A connection is heavy when a turn leaves input, and until a turn that begins with
// nothing left handles all that comes.
func TestWeigh(t *testing.T) {
	s, r := new(Server), new(record)
	for i, c := range []struct{ more, resumed, heavy bool }{
		{false, false, false}, {true, false, true}, {true, true, true}, {false, true, true}, {true, false, true}, {false, true, true}, {false, false, false},
	} {
		s.weigh(r, c.more, c.resumed)
		if got := r.flags.Load()&fHeavy != 0; got != c.heavy {
			t.Errorf("turn %d: heavy is %v", i, got)
		}
	}
}

// TestTakeWakesForTheFront checks that a worker that was woken for the connections in front, and
// takes a task of another list, has another worker woken for them.
func TestTakeWakesForTheFront(t *testing.T) {
	heavy, back := new(record), new(record)
	heavy.flags.Or(fHeavy)
	back.flags.Or(fBackground)
	for _, first := range []*record{heavy, back} {
		p := &pool{workers: 4, idle: 3, passes: heavyTurn - 1, waited: backTurn - 1}
		p.cond.L = &p.mu
		p.listOf(task{r: first}).push(task{r: first})
		p.front.push(task{r: new(record)})
		p.front.push(task{r: new(record)})
		if got, _, ok := p.take(false); !ok || got.r != first {
			t.Fatalf("takes %v, want the task behind the front", got)
		}
		if p.woken != 1 {
			t.Errorf("%d workers are woken for two connections in front while three are idle, want 1", p.woken)
		}
	}
}
