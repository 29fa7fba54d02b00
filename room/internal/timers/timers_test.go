package timers

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// TestRun checks that Run calls the functions that are due, the earliest first, and that a function may add another.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l List
		var called []int
		for _, second := range []int{3, 1, 2, 9} {
			l.At(time.Now().Add(time.Duration(second)*time.Second), func() {
				if called = append(called, second); second == 1 {
					l.At(time.Now(), func() { called = append(called, 10) })
				}
			})
		}
		l.Run()
		if len(called) > 0 {
			t.Errorf("called too early: %v", called)
		}
		time.Sleep(3 * time.Second)
		l.Run()
		if want := []int{1, 2, 3}; !slices.Equal(slices.DeleteFunc(slices.Clone(called), func(n int) bool { return n == 10 }), want) || len(called) != 4 {
			t.Errorf("called %v, want %v and 10", called, want)
		}
		if left := l.Times(); len(left) != 1 || !left[0].Equal(time.Now().Add(6*time.Second)) {
			t.Errorf("left: %v", left)
		}
		time.Sleep(6 * time.Second)
		if l.Run(); l.heap != nil {
			t.Errorf("an empty list holds %d timers and their memory", len(l.heap))
		}
	})
}

// TestSoonest checks that nothing is put off for longer than LookAgain.
func TestSoonest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for in, want := range map[time.Duration]time.Duration{-time.Second: -time.Second, time.Second: time.Second, LookAgain: LookAgain, time.Hour: LookAgain} {
			if got := time.Until(Soonest(time.Now().Add(in))); got != want {
				t.Errorf("something that ends in %v is checked in %v, want %v", in, got, want)
			}
		}
	})
}

func ExampleList() {
	var l List
	l.At(time.Now().Add(-time.Second), func() { fmt.Println("due") })
	l.At(time.Now().Add(time.Hour), func() { fmt.Println("not due") })
	l.Run()
	// Output: due
}
