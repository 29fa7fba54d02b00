package work

import (
	"log/slog"
	"slices"
	"strings"
	"testing"

	"webim/netpoll/ratelog"
	"webim/netpoll/wstest"
	"webim/room/budget"
)

func TestMain(m *testing.M) { wstest.Main(m) }

func TestLockOrderNamesEachMutex(t *testing.T) { wstest.LockOrder(t) }

var alice, bob = budget.User("alice"), budget.User("bob")

// newRunner returns a runner for n calls at a time, and its log.
func newRunner(t *testing.T, n int) (*Runner, *strings.Builder) {
	log := &strings.Builder{}
	r := New(n, ratelog.New(slog.New(slog.NewTextHandler(log, nil))))
	t.Cleanup(r.Close)
	return r, log
}

// TestFollowUpsOfALine checks that the follow-ups of a payer in a room run one at a time and in order,
// and that those of another room do not wait for them.
func TestFollowUpsOfALine(t *testing.T) {
	r, _ := newRunner(t, 4)
	var ran []int
	hold, done := make(chan struct{}), make(chan struct{}, 3)
	for i := range 3 {
		r.Follow(Key{"r", alice}, FollowUp{Do: func() { <-hold; ran = append(ran, i) }, Then: func() { done <- struct{}{} }})
	}
	other := make(chan struct{})
	r.Follow(Key{"another", alice}, FollowUp{Do: func() {}, Then: func() { close(other) }})
	<-other
	close(hold)
	for range 3 {
		<-done
	}
	if !slices.Equal(ran, []int{0, 1, 2}) {
		t.Errorf("follow-ups ran in the order %v", ran)
	}
}

// TestFollowUpsOfCallsHaveSlots checks that follow-ups of calls run while calls hold all slots.
func TestFollowUpsOfCallsHaveSlots(t *testing.T) {
	r, _ := newRunner(t, 2)
	hold, begun := make(chan struct{}), make(chan struct{}, 2)
	for _, payer := range []budget.Owner{alice, bob} { // one payer does not get both
		r.Follow(Key{"r", payer}, FollowUp{Do: func() { begun <- struct{}{}; <-hold }, Then: func() {}})
		<-begun
	}
	ran := make(chan struct{})
	r.Follow(Key{"t", alice}, FollowUp{OfCall: true, Do: func() { close(ran) }, Then: func() {}})
	<-ran
	close(hold)
}

// TestFollowUpsAreBounded checks that a full line drops a follow-up, tells whoever waits for it, and
// leaves a line in the log.
func TestFollowUpsAreBounded(t *testing.T) {
	r, log := newRunner(t, 4)
	hold, ran := make(chan struct{}), 0
	for range maxFollowUps {
		r.Follow(Key{"r", alice}, FollowUp{Do: func() { <-hold; ran++ }, Then: func() {}})
	}
	told := false
	r.Follow(Key{"r", alice}, FollowUp{Do: func() { t.Error("it runs") }, Then: func() { told = true }})
	if !told || !strings.Contains(log.String(), "nobody is notified of a message") {
		t.Errorf("told: %v, log: %q", told, log)
	}
	close(hold)
	r.Close() // returns when no follow-up runs any more
	if ran == 0 || ran > maxFollowUps {
		t.Errorf("%d follow-ups ran", ran)
	}
}
