package sched

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"webim/netpoll/wstest"
)

// twiceReady looks for a task that is on the ready list twice.
func twiceReady(l *List[*item]) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	seen := map[*Job]bool{}
	for i := range l.front.n {
		j := l.front.tasks[(l.front.head+i)&(len(l.front.tasks)-1)].job
		if seen[j] {
			return true
		}
		seen[j] = true
	}
	return false
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
	l, finish := startWorkers(workers)
	var twice atomic.Int64
	jobs, counted := make([]Job, turns), make([]wstest.Counted, turns)
	for i := range jobs {
		jobs[i].Run = counted[i].Run
	}
	var wakers sync.WaitGroup
	for range 4 {
		wakers.Go(func() {
			for i := range wakes {
				j := rand.IntN(turns)
				counted[j].Post()
				l.Wake(&jobs[j])
				if i%64 == 0 && twiceReady(l) {
					twice.Add(1)
				}
			}
		})
	}
	wakers.Wait()
	finish()
	if n := twice.Load(); n != 0 {
		t.Errorf("a turn was on the ready list twice, seen %d times", n)
	}
	for i := range jobs {
		counted[i].Check(t, i)
		if state := jobs[i].String(); state != "idle" {
			t.Errorf("turn %d ends in state %s", i, state)
		}
	}
}

// script runs turns on one worker and notes their order. A turn calls plan with its name and the number
// of its run.
func script(t *testing.T, names string, plan func(wake func(name byte), name byte, run int) (more bool), first string) string {
	l, finish := startWorkers(1)
	var order bytes.Buffer
	turns, runs := map[byte]*Job{}, map[byte]int{}
	wake := func(name byte) { l.Wake(turns[name]) }
	for _, name := range []byte(names) {
		turns[name] = &Job{Run: func() bool {
			order.WriteByte(name)
			runs[name]++
			return plan(wake, name, runs[name])
		}}
	}
	there, gate := make(chan bool), make(chan bool)
	l.Wake(&Job{Run: func() bool { close(there); <-gate; return false }})
	<-there
	for _, name := range []byte(first) {
		wake(name)
	}
	close(gate)
	finish()
	return order.String()
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

// TestTryBegin checks that a goroutine takes a turn without the list only if the turn is idle, and
// that a wake meanwhile leads to one more run.
func TestTryBegin(t *testing.T) {
	var turn Turn
	if !turn.TryBegin() || turn.TryBegin() {
		t.Fatal("an idle turn is taken once")
	}
	if turn.Wake() || turn.String() != "again" || !turn.Done(false) || turn.String() != "queued" {
		t.Errorf("a wake during the run: %v", &turn)
	}
	if turn.TryBegin() || turn.Wake() {
		t.Error("a queued turn is taken or queued")
	}
	var other Turn
	if !other.TryBegin() || other.Done(false) || other.String() != "idle" {
		t.Errorf("a turn with nothing to do: %v", &other)
	}
}
