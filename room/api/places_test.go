package api

import (
	"fmt"
	"testing"

	"webim/room/budget"
)

// fillPlaces enters n requests of an owner, and returns the number of those that are refused, then
// and later.
func fillPlaces(p *places, o budget.Owner, n int) (refused *int) {
	refused = new(int)
	for range n {
		p.enter(o, func() {}, func() { *refused++ })
	}
	return refused
}

// TestOwnersTogetherLeavePlacesToWait checks that, even if other owners have taken all places and
// all places to wait, the request of a new owner waits and gets its turn as places become free.
func TestOwnersTogetherLeavePlacesToWait(t *testing.T) {
	for _, owners := range []int{1, 2, 3, 20} {
		p := newPlaces(16)
		var greedy []budget.Owner
		total := 0
		for i := range owners {
			greedy = append(greedy, budget.User(fmt.Sprint("greedy ", i)))
			total += 16 * (waitFactor + 1)
			fillPlaces(p, greedy[i], 16*(waitFactor+1))
		}
		started, refused := false, false
		p.enter(budget.User("bystander"), func() { started = true }, func() { refused = true })
		if refused {
			t.Errorf("%d owners fill all places, and another one's question is refused", owners)
			continue
		}
		if p.waiting > p.lines || p.busy > p.limit {
			t.Errorf("%d owners: %d requests under way and %d questions wait, of %d and %d", owners, p.busy, p.waiting, p.limit, p.lines)
		}
		for range owners + 1 { // each owner has at most one turn before
			for _, o := range greedy {
				if p.owners[o] != nil && p.owners[o].busy > 0 {
					p.leave(o)
					break
				}
			}
		}
		if !started {
			t.Errorf("%d owners: another one's question has not had its turn after %d requests", owners, owners+1)
		}
	}
}

// TestEachQuestionIsAnsweredOnce checks that each request is started or refused exactly once,
// including displaced requests.
func TestEachQuestionIsAnsweredOnce(t *testing.T) {
	p := newPlaces(4)
	const each, owners = 40, 6
	started, refused := 0, 0
	var running []budget.Owner
	for i := range each * owners {
		o := budget.User(fmt.Sprint(i / each))
		p.enter(o, func() { started++; running = append(running, o) }, func() { refused++ })
	}
	for len(running) > 0 {
		o := running[0]
		running = running[1:]
		p.leave(o)
	}
	if started+refused != each*owners || started < p.limit+p.lines {
		t.Errorf("of %d questions %d were started and %d refused", each*owners, started, refused)
	}
	if p.busy != 0 || p.waiting != 0 || len(p.turns) != 0 || len(p.owners) != 0 {
		t.Errorf("at the end %d are busy, %d wait, %d have turns, and %d owners are known", p.busy, p.waiting, len(p.turns), len(p.owners))
	}
}
