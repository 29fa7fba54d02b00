package sched

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"webim/netpoll/wstest"
)

// A journal notes in which order tasks run.
type journal struct {
	mu  sync.Mutex
	ran []string
}

func (j *journal) add(name string) {
	j.mu.Lock()
	j.ran = append(j.ran, name)
	j.mu.Unlock()
}

func (j *journal) list() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.ran)
}

// TestHold checks that items wait between HoldItems and Release while jobs run, that with HoldAll nothing runs, and
// that the tasks which have waited come in their order.
func TestHold(t *testing.T) {
	l := newList(1, false)
	var ran journal
	names := map[*item]string{}
	w := &Worker[*item]{List: l, Number: 1}
	w.Run = func(i *item) {
		w.Begin(&i.turn)
		ran.add(names[i])
		w.End(&i.turn, i, false)
	}
	var running sync.WaitGroup
	running.Go(w.Serve)
	push := func(name string, class Class) {
		i := &item{class: class}
		names[i] = name
		i.turn.Wake()
		l.Push(i)
	}
	job := func(name string) *Job { return &Job{Run: func() bool { ran.add(name); return false }} }

	gate, begun := make(chan bool), make(chan bool)
	l.Wake(&Job{Run: func() bool { close(begun); <-gate; return false }})
	<-begun
	push("a", Front)
	push("b", Heavy)
	l.Wake(job("one"))
	short, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	if err := l.HoldItems(short); err != context.DeadlineExceeded {
		t.Errorf("while a job runs: %v", err)
	}
	close(gate)
	if err := l.HoldItems(context.Background()); err != nil {
		t.Fatal(err)
	}
	wstest.Eventually(t, "a job runs", func() bool { return slices.Equal(ran.list(), []string{"one"}) })
	push("c", Front)
	l.Wake(job("two"))
	wstest.Eventually(t, "a later job runs", func() bool { return slices.Equal(ran.list(), []string{"one", "two"}) })
	if err := l.HoldAll(context.Background()); err != nil {
		t.Fatal(err)
	}
	if busy, _ := l.Use(); busy != 0 {
		t.Errorf("%d workers are busy", busy)
	}
	l.Wake(job("three"))
	push("d", Background)
	if got := ran.list(); len(got) != 2 || l.parked.n != 5 {
		t.Errorf("%q ran, %d wait", got, l.parked.n)
	}
	l.Release()
	wstest.Eventually(t, "all have run", func() bool { return len(ran.list()) == 7 })
	if got, want := ran.list()[2:], []string{"a", "c", "three", "b", "d"}; !slices.Equal(got, want) {
		t.Errorf("%q; want %q", got, want)
	}
	l.Close()
	running.Wait()
}

// TestHoldLoop checks that a loop runs no items while they are held, and that HoldAll waits for it.
func TestHoldLoop(t *testing.T) {
	l := newList(0, true)
	ran := 0
	w := &Worker[*item]{List: l, Number: 1, Loop: true}
	w.Run = func(i *item) {
		w.Begin(&i.turn)
		ran++
		w.End(&i.turn, i, false)
	}
	items := []*item{{}, {}}
	for _, i := range items {
		i.turn.Wake()
	}
	if more := w.RunReady(items, 1); !more || ran != 1 {
		t.Fatalf("%v, %d ran", more, ran)
	}
	short, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	if err := l.HoldItems(short); err != context.DeadlineExceeded {
		t.Errorf("while the loop is busy: %v", err)
	}
	if more := w.RunReady(nil, 1); more || ran != 1 {
		t.Errorf("held: %v, %d ran", more, ran)
	}
	if err := l.HoldItems(context.Background()); err != nil {
		t.Error(err)
	}
	l.Release()
	if more := w.RunReady(nil, 2); more || ran != 2 {
		t.Errorf("released: %v, %d ran", more, ran)
	}
}

// TestClaim checks which turns a freezer may take.
func TestClaim(t *testing.T) {
	var turn Turn
	if taken, ok := turn.Claim(); !taken || !ok {
		t.Error("an idle turn was not taken")
	}
	if _, ok := turn.Claim(); ok {
		t.Error("a running turn was taken")
	}
	turn.Wake()
	if _, ok := turn.Claim(); ok {
		t.Error("a running turn that was woken was taken")
	}
	turn.Done(false)
	if taken, ok := turn.Claim(); taken || !ok {
		t.Error("a queued turn is held by the list")
	}
}
