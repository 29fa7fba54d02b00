package netpoll

import (
	"bytes"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"webim/netpoll/internal/wheel"
	"webim/netpoll/wstest"

	"pgregory.net/rapid"
)

// crew starts a server's workers, and nothing else of it. The returned
// function lets them do what is queued and waits for their end.
func crew(cfg Config) (s *Server, finish func()) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	s = New(cfg, nil)
	for range cfg.Workers {
		s.running.Add(1)
		go (&worker{s: s}).run()
	}
	return s, func() {
		s.pool.close()
		s.running.Wait()
	}
}

// twiceReady looks for a task that is on the ready list twice.
func twiceReady(p *pool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	seen := map[*Turn]bool{}
	for i := range p.front.n {
		t := p.front.tasks[(p.front.head+i)&(len(p.front.tasks)-1)].t
		if seen[t] {
			return true
		}
		seen[t] = true
	}
	return false
}

// job is a turn that counts: what was posted before a Wake must be looked at
// by a run that begins after it.
type job struct {
	turn                      *Turn
	posted, seen, runs, mores atomic.Int64
	running                   atomic.Bool
	overlaps                  *atomic.Int64
}

func (j *job) run() (more bool) {
	if j.running.Swap(true) {
		j.overlaps.Add(1)
	}
	j.runs.Add(1)
	j.seen.Store(j.posted.Load())
	if rand.IntN(4) == 0 {
		time.Sleep(time.Duration(rand.IntN(20)) * time.Microsecond) // others come between, it orders nothing
	}
	if more = rand.IntN(8) == 0; more {
		j.mores.Add(1)
	}
	j.running.Store(false)
	return more
}

// N goroutines wake M turns at random while k workers run them.
func TestTurnProtocol(t *testing.T) {
	for _, k := range []int{1, 2, 4} {
		for _, m := range []int{1, 3, 50} {
			t.Run(fmt.Sprintf("%d workers, %d turns", k, m), func(t *testing.T) { turnProtocol(t, k, m) })
		}
	}
}

func turnProtocol(t *testing.T, workers, turns int) {
	wakes := 3000
	if wstest.Long() {
		wakes *= 20
	}
	s, finish := crew(Config{Workers: workers})
	var overlaps, twice atomic.Int64
	jobs := make([]*job, turns)
	for i := range jobs {
		jobs[i] = &job{overlaps: &overlaps}
		jobs[i].turn = s.NewTurn(jobs[i].run)
	}
	var wakers sync.WaitGroup
	for range 4 {
		wakers.Go(func() {
			for i := range wakes {
				j := jobs[rand.IntN(turns)]
				j.posted.Add(1)
				j.turn.Wake()
				if i%64 == 0 && twiceReady(s.pool) {
					twice.Add(1)
				}
			}
		})
	}
	wakers.Wait()
	finish()
	if n := overlaps.Load(); n != 0 {
		t.Errorf("%d runs began while the turn was running", n)
	}
	if n := twice.Load(); n != 0 {
		t.Errorf("a turn was on the ready list twice, seen %d times", n)
	}
	for i, j := range jobs {
		posted, seen, runs, mores := j.posted.Load(), j.seen.Load(), j.runs.Load(), j.mores.Load()
		if seen != posted {
			t.Errorf("turn %d has looked at %d of %d: a wake led to no run", i, seen, posted)
		}
		if runs > posted+mores {
			t.Errorf("turn %d ran %d times for %d wakes and %d mores", i, runs, posted, mores)
		}
		if state := j.turn.state.Load(); state != turnIdle {
			t.Errorf("turn %d ends in state %d", i, state)
		}
	}
}

// script runs turns on one worker and notes their order. plan says what a
// turn does besides, by name and run.
func script(t *testing.T, names string, plan func(wake func(name byte), name byte, run int) (more bool), first string) string {
	s, finish := crew(Config{Workers: 1})
	var order bytes.Buffer
	turns, runs := map[byte]*Turn{}, map[byte]int{}
	wake := func(name byte) { turns[name].Wake() }
	for _, name := range []byte(names) {
		turns[name] = s.NewTurn(func() bool {
			order.WriteByte(name)
			runs[name]++
			return plan(wake, name, runs[name])
		})
	}
	there, gate := make(chan bool), make(chan bool)
	s.NewTurn(func() bool { close(there); <-gate; return false }).Wake()
	<-there
	for _, name := range []byte(first) {
		wake(name)
	}
	close(gate)
	finish()
	return order.String()
}

// The time that workers are busy is known, whether they are so still or not.
func TestWorked(t *testing.T) {
	s, finish := crew(Config{Workers: 2})
	wstest.Eventually(t, "both wait", func() bool { return s.Stats().WorkersBusy == 0 })
	before := s.Stats().Worked
	began := time.Now()
	there, gate, left := make(chan time.Time), make(chan bool), make(chan time.Time, 1)
	s.NewTurn(func() bool { there <- time.Now(); <-gate; left <- time.Now(); return false }).Wake()
	came := <-there
	wstest.Eventually(t, "a millisecond is over", func() bool { return time.Since(came) > time.Millisecond })
	if st := s.Stats(); st.WorkersBusy != 1 || st.Worked-before < time.Millisecond {
		t.Errorf("one works: %d are busy, for %v", st.WorkersBusy, st.Worked-before)
	}
	close(gate)
	least := (<-left).Sub(came)
	wstest.Eventually(t, "it waits again", func() bool { return s.Stats().WorkersBusy == 0 })
	worked := s.Stats().Worked - before
	if most := time.Since(began); worked < least || worked > most {
		t.Errorf("one worked for %v to %v: %v", least, most, worked)
	}
	if again := s.Stats().Worked - before; again != worked {
		t.Errorf("while both wait it goes on from %v to %v", worked, again)
	}
	finish()
}

func TestTurnOrder(t *testing.T) {
	nothing := func(func(byte), byte, int) bool { return false }
	moreOnce := func(_ func(byte), name byte, run int) bool { return name == 'a' && run == 1 }
	wakesItself := func(wake func(byte), name byte, run int) bool {
		if name == 'a' && run == 1 {
			wake('a')
			wake('a')
		}
		return false
	}
	wakesAndMore := func(wake func(byte), name byte, run int) bool {
		wakesItself(wake, name, run)
		return name == 'a' && run == 1
	}
	wakesOthers := func(wake func(byte), name byte, run int) bool {
		if name == 'a' {
			wake('d') // idle: to the tail
			wake('b') // queued: keeps its place
		}
		return false
	}
	for _, tt := range []struct {
		name  string
		plan  func(func(byte), byte, int) bool
		first string
		want  string
	}{
		{"in the order of the wakes", nothing, "bdac", "bdac"},
		{"once, however often woken", nothing, "aabbaab", "ab"},
		{"more goes to the tail", moreOnce, "abc", "abca"},
		{"a wake during the run leads to one more", wakesItself, "abc", "abca"},
		{"and so do a wake and more together", wakesAndMore, "abc", "abca"},
		{"turns wake each other", wakesOthers, "abc", "abcd"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := script(t, "abcd", tt.plan, tt.first); got != tt.want {
				t.Errorf("ran %s, want %s", got, tt.want)
			}
		})
	}
}

// The ring beside a slice, over its growth and round its end.
func TestPoolRing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := newPool(&wheel.Clock{Start: time.Now(), Tick: time.Millisecond}, 1, false)
		var model []*Turn
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			for range rapid.SampledFrom([]int{0, 1, 7, ringMin / 2, ringMin - 1, ringMin + 1}).Draw(t, "pushes") {
				turn := new(Turn)
				p.push(task{t: turn})
				model = append(model, turn)
			}
			for range min(len(model), rapid.SampledFrom([]int{0, 1, 7, ringMin / 2, ringMin, 3 * ringMin}).Draw(t, "takes")) {
				got, _, ok := p.take(false)
				if !ok || got.t != model[0] {
					t.Fatalf("took %p, %v; want %p, the oldest of %d", got.t, ok, model[0], len(model))
				}
				model = model[1:]
			}
			if n := len(p.front.tasks); p.front.n != len(model) || n < p.front.n || n&(n-1) != 0 {
				t.Fatalf("%d tasks in a ring of %d; want %d", p.front.n, n, len(model))
			}
		}
		p.close()
		for range model {
			if got, _, ok := p.take(false); !ok || !slices.Contains(model, got.t) {
				t.Fatal("close has lost a task")
			}
		}
		if _, _, ok := p.take(false); ok {
			t.Fatal("a closed, empty pool has a task")
		}
	})
}

func TestPoolShrinks(t *testing.T) {
	s, finish := crew(Config{Workers: 1})
	defer finish()
	ring := func() int {
		s.pool.mu.Lock()
		defer s.pool.mu.Unlock()
		return len(s.pool.front.tasks)
	}
	gate := make(chan bool)
	s.NewTurn(func() bool { <-gate; return false }).Wake()
	var ran atomic.Int64
	for range 3 * ringMin {
		s.NewTurn(func() bool { ran.Add(1); return false }).Wake()
	}
	if n := ring(); n != 4*ringMin {
		t.Errorf("a ring of %d for %d turns", n, 3*ringMin)
	}
	close(gate)
	wstest.Eventually(t, "all turns run and the ring is let go", func() bool { return ran.Load() == 3*ringMin && ring() == ringMin })
}

func TestTurnPanics(t *testing.T) {
	var log bytes.Buffer
	s, finish := crew(Config{Workers: 1, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	runs := 0
	var after atomic.Bool
	turn := s.NewTurn(func() bool {
		if runs++; runs < 3 {
			panic("no way")
		}
		return false
	})
	other := s.NewTurn(func() bool { after.Store(true); return false })
	turn.Wake()
	other.Wake()
	wstest.Eventually(t, "the worker goes on", after.Load)
	turn.Wake()
	wstest.Eventually(t, "the second panic", func() bool { return s.stats.panics.Load() == 2 })
	turn.Wake()
	finish()
	if runs != 3 || s.stats.panics.Load() != 2 || turn.state.Load() != turnIdle {
		t.Errorf("%d runs, %d panics, state %d", runs, s.stats.panics.Load(), turn.state.Load())
	}
	if text := log.String(); strings.Count(text, "no way") < 2 || !strings.Contains(text, "TestTurnPanics") {
		t.Errorf("the log lacks the panic or its stack: %s", text)
	}
}
