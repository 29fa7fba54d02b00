package gate

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"webim/netpoll/wstest"
)

func TestLockOrderNamesEachMutex(t *testing.T) { wstest.LockOrder(t) }

// TestGate checks that calls wait in their order, that Shut waits for those under way, and that Close refuses.
func TestGate(t *testing.T) {
	var g Gate
	if !g.Enter() {
		t.Fatal("an open gate does not let a call in")
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := g.Shut(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("Shut with a call under way: %v", err)
	}
	shut := make(chan error)
	go func() { shut <- g.Shut(t.Context()) }()
	var got []int
	for i := range 3 {
		if g.Enter() {
			t.Error("a shut gate lets a call in")
		}
		g.Wait(func(err error) {
			defer g.Leave()
			if got = append(got, i); err != nil {
				t.Errorf("call %d: %v", i, err)
			}
			if g.Enter() { // as a later call on another goroutine
				t.Errorf("a call overtakes those behind call %d", i)
				g.Leave()
			}
		})
	}
	g.Leave()
	if err := <-shut; err != nil || len(got) > 0 {
		t.Errorf("Shut: %v; calls %v", err, got)
	}
	if g.Open(); !slices.Equal(got, []int{0, 1, 2}) || !g.Enter() {
		t.Errorf("after Open: %v", got)
	}
	g.Leave()
	if err := g.Shut(t.Context()); err != nil {
		t.Error(err)
	}
	refused := 0
	wait := func() {
		g.Wait(func(err error) {
			defer g.Leave()
			if errors.Is(err, context.Canceled) {
				refused++
			}
		})
	}
	wait()
	g.Close(context.Canceled)
	if wait(); refused != 2 || g.Enter() {
		t.Errorf("after Close: %d were refused", refused)
	}
}

// TestGateUnderLoad shuts and opens a gate while calls come: none is under way between Shut and Open, and each ends.
func TestGateUnderLoad(t *testing.T) {
	var g Gate
	var mu sync.Mutex
	inside, calls := 0, 0
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 500 {
				done := make(chan struct{})
				call := func(error) {
					mu.Lock()
					inside++
					mu.Unlock()
					go func() {
						mu.Lock()
						inside--
						calls++
						mu.Unlock()
						g.Leave()
						close(done)
					}()
				}
				if g.Enter() {
					call(nil)
				} else {
					g.Wait(call)
				}
				<-done
			}
		})
	}
	for range 50 {
		if err := g.Shut(t.Context()); err != nil {
			t.Fatal(err)
		}
		mu.Lock()
		if inside != 0 {
			t.Errorf("%d calls are under way", inside)
		}
		mu.Unlock()
		g.Open()
	}
	wg.Wait()
	if calls != 2000 {
		t.Errorf("%d calls", calls)
	}
}
