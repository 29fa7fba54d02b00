package daily

import (
	"fmt"
	"testing"
	"time"

	"webim/netpoll/snapshot"
	"webim/netpoll/wstest"
	"webim/room/budget"
)

func TestLockOrderNamesEachMutex(t *testing.T) { wstest.LockOrder(t) }

// TestShares checks that a payer gets a day's share, that others have their own, and that it refills.
func TestShares(t *testing.T) {
	now := time.Now()
	s := New(24, now)
	greedy := budget.User("greedy")
	for i := range 24 {
		if !s.Take(greedy, 1, now) {
			t.Fatalf("unit %d of 24 is refused", i)
		}
	}
	if s.Take(greedy, 1, now) {
		t.Error("a payer gets more than a share")
	}
	if !s.Take(budget.User("other"), 24, now) {
		t.Error("another payer gets nothing")
	}
	if !s.Take(budget.Owner{}, 1000, now) {
		t.Error("the server has a limit")
	}
	if now = now.Add(time.Hour); !s.Take(greedy, 1, now) || s.Take(greedy, 1, now) {
		t.Error("after an hour there is not exactly one unit more")
	}
	if none := New(-1, now); !none.Take(greedy, 1<<40, now) {
		t.Error("without a limit there is one")
	}
}

// TestForgets checks that payers whose shares are full again take no memory.
func TestForgets(t *testing.T) {
	now := time.Now()
	s := New(24, now)
	for i := range 100_000 {
		now = now.Add(time.Minute)
		s.Take(budget.User(fmt.Sprint(i)), 1, now) // full again after an hour
	}
	if n := len(s.buckets); n > 2048 {
		t.Errorf("%d payers are remembered", n)
	}
}

// TestMove checks that another process gives no payer a new share.
func TestMove(t *testing.T) {
	now := time.Now()
	s := New(24, now)
	greedy, full := budget.User("greedy"), budget.User("full")
	s.Take(greedy, 24, now)
	s.Take(full, 1, now)
	now = now.Add(2 * time.Hour)
	var e snapshot.Encoder
	s.Export(&e, 1, now)
	next := New(24, now.Add(time.Second))
	d, n := snapshot.Decode(e.B), 0
	for d.Next() == 1 {
		if n++; next.Import(d.Message()) != nil {
			t.Error("a share cannot be read")
		}
	}
	if n != 1 || d.Err() != nil {
		t.Errorf("%d shares were written down, %v", n, d.Err())
	}
	if now = now.Add(time.Second); !next.Take(greedy, 2, now) || next.Take(greedy, 1, now) {
		t.Error("a payer has not exactly the 2 units of 2 hours")
	}
	var far snapshot.Encoder
	far.String(1, "user:far")
	far.Time(2, now.Add(1000*time.Hour))
	if err := next.Import(snapshot.Decode(far.B)); err != nil || next.Take(budget.User("far"), 1, now.Add(72*time.Hour)) != true {
		t.Errorf("a payer waits for more than two days: %v", err)
	}
}
