package deferred

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"

	"webim/netpoll"
	"webim/netpoll/wstest"
)

func TestMain(m *testing.M) { wstest.Main(m) }

func TestLockOrderNamesEachMutex(t *testing.T) { wstest.LockOrder(t) }

// TestPostOutlivesAPanic checks that a function that panics does not prevent the calls of the others, which
// are called in order, even if no function is posted after them.
func TestPostOutlivesAPanic(t *testing.T) {
	s := netpoll.New(netpoll.Config{Workers: 1, Logger: slog.New(slog.DiscardHandler)}, nil)
	if _, err := s.Listen(netpoll.Listener{Addr: "127.0.0.1:0"}); err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	var q Queue
	q.Start(s.NewTurn(q.Run).Wake)
	var got []int
	var all sync.WaitGroup
	all.Add(9)
	begin := make(chan struct{})
	q.Post(func() { <-begin })
	for i := range 10 {
		q.Post(func() {
			if i == 3 {
				panic("this one")
			}
			got = append(got, i)
			all.Done()
		})
	}
	close(begin)
	all.Wait()
	if err := s.Shutdown(context.Background(), 0); err != nil {
		t.Fatal(err)
	}
	if err := <-served; !errors.Is(err, netpoll.ErrServerClosed) {
		t.Fatal(err)
	}
	if want := []int{0, 1, 2, 4, 5, 6, 7, 8, 9}; !slices.Equal(got, want) || s.Stats().Panics != 1 {
		t.Errorf("done: %v, %d panics", got, s.Stats().Panics)
	}
}
