package budget

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// work is a Waiter of functions; nil ones do nothing.
type work struct{ start, refuse func() }

func (w work) Start() {
	if w.start != nil {
		w.start()
	}
}

func (w work) Refuse() {
	if w.refuse != nil {
		w.refuse()
	}
}

// fillSlots acquires n slots for an owner, and returns how many of them are refused, then and later.
func fillSlots(s *Slots, o Owner, n int) (refused *int) {
	refused = new(int)
	for range n {
		s.Acquire(o, work{refuse: func() { *refused++ }})
	}
	return refused
}

// TestOwnersTogetherLeavePlacesToWait checks that, even if other owners have taken all slots and
// all places to wait, the work of a new owner waits and gets its turn as slots become free.
func TestOwnersTogetherLeavePlacesToWait(t *testing.T) {
	for _, owners := range []int{1, 2, 3, 20} {
		s := NewSlots(16, WaitFactor*16, 1)
		var greedy []Owner
		for i := range owners {
			greedy = append(greedy, User(fmt.Sprint("greedy ", i)))
			fillSlots(s, greedy[i], 16*(WaitFactor+1))
		}
		started, refused := false, false
		s.Acquire(User("bystander"), work{func() { started = true }, func() { refused = true }})
		if refused {
			t.Errorf("%d owners fill all slots, and the work of another one is refused", owners)
			continue
		}
		if s.waiting > s.lines || s.busy > s.limit {
			t.Errorf("%d owners: %d pieces run and %d wait, of %d and %d", owners, s.busy, s.waiting, s.limit, s.lines)
		}
		for range owners + 1 { // each owner has at most one turn before
			for _, o := range greedy {
				if s.owners[o] != nil && s.owners[o].busy > 0 {
					s.Release(o)
					break
				}
			}
		}
		if !started {
			t.Errorf("%d owners: the work of another one has not had its turn after %d pieces", owners, owners+1)
		}
	}
}

// TestWorkIsStartedOrRefusedOnce checks that each piece of work is started or refused exactly once,
// including displaced work, work that is suspended, and work that waits when the slots are closed.
func TestWorkIsStartedOrRefusedOnce(t *testing.T) {
	for _, closes := range []bool{false, true} {
		s := NewSlots(4, WaitFactor*4, 1)
		const each, owners = 40, 6
		started, refused := 0, 0
		var running []Owner
		for i := range each * owners {
			o := User(fmt.Sprint(i / each))
			s.Acquire(o, work{func() { started++; running = append(running, o) }, func() { refused++ }})
		}
		for i := 0; len(running) > 0; i++ {
			o := running[0]
			running = running[1:]
			if i%3 == 0 {
				s.Suspend(o)
				s.Resume(o)
			}
			if closes && i == 5 {
				closed := make(chan bool)
				go func() { s.Close(); close(closed) }()
				for s.isOpen() {
					runtime.Gosched()
				}
				running = append(running, o)
				for len(running) > 0 {
					select {
					case <-closed:
						t.Error("Close returns while work runs")
					default:
					}
					s.Release(running[0])
					running = running[1:]
				}
				<-closed
				s.Acquire(o, work{func() { t.Error("work is started after Close") }, func() { refused++; started-- }})
				started++
				break
			}
			s.Release(o)
		}
		if started+refused != each*owners+map[bool]int{true: 1}[closes] || !closes && started < s.limit+s.lines {
			t.Errorf("of %d pieces %d were started and %d refused", each*owners, started, refused)
		}
		if s.busy != 0 || s.away != 0 || s.waiting != 0 || len(s.turns) != 0 || len(s.owners) != 0 {
			t.Errorf("at the end %d are busy, %d away, %d wait, %d have turns, and %d owners are known", s.busy, s.away, s.waiting, len(s.turns), len(s.owners))
		}
	}
}

// isOpen reports whether Close has not been called yet, or has not refused the waiting work.
func (s *Slots) isOpen() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.closed
}

// TestSuspendedWorkLetsOthersIn checks that suspended work takes no slot, and that resumed work takes
// one even if all are taken.
func TestSuspendedWorkLetsOthersIn(t *testing.T) {
	s := NewSlots(2, WaitFactor*2, 1)
	a, b := User("a"), User("b")
	started := 0
	begin := work{start: func() { started++ }}
	s.Acquire(a, begin)
	s.Acquire(a, begin)
	s.Acquire(b, begin)
	if started != 2 {
		t.Fatalf("%d pieces run on two slots, want one of each owner", started)
	}
	if s.Suspend(a); started != 3 {
		t.Errorf("a slot of suspended work stays empty")
	}
	if s.Suspend(b) {
		t.Error("more work is suspended than may be")
	}
	s.Resume(a)
	s.Acquire(User("c"), begin)
	if s.Release(a); started != 3 {
		t.Errorf("%d pieces were started while resumed work is over the limit", started)
	}
	if s.Release(a); started != 4 {
		t.Errorf("%d pieces were started, want all 4", started)
	}
}

// TestOwnersTakeTurns checks that owners take turns, and that none gets all slots.
func TestOwnersTakeTurns(t *testing.T) {
	s := NewSlots(8, WaitFactor*8, 1)
	var started []string
	ask := func(name string) bool {
		taken := true
		s.Acquire(User(name), work{func() { started = append(started, name) }, func() { taken = false }})
		return taken
	}
	asked := 0
	for ask("greedy") {
		asked++
	}
	if got := len(started); got != 7 || asked != 7+mostOf(32) {
		t.Errorf("%d are under way and %d taken of one owner", got, asked)
	}
	for i := range 3 {
		ask(fmt.Sprint("honest", i))
	}
	if got := started[7:]; len(got) != 1 || got[0] != "honest0" {
		t.Errorf("then %v start", got)
	}
	s.Release(User("greedy"))
	s.Release(User("greedy"))
	s.Release(User("honest0"))
	if got := strings.Join(started[8:], " "); got != "greedy honest1 honest2" && got != "honest1 greedy honest2" && got != "greedy honest1 greedy" {
		t.Errorf("then %v start", got)
	}
	for len(started) > 0 && s.busy > 0 {
		for name, l := range map[string]*line{"greedy": s.owners[User("greedy")], "honest0": s.owners[User("honest0")], "honest1": s.owners[User("honest1")], "honest2": s.owners[User("honest2")]} {
			if l != nil && l.busy > 0 {
				s.Release(User(name))
			}
		}
	}
	if len(s.owners)+len(s.turns)+s.waiting+s.busy != 0 || len(started) != asked+3 {
		t.Errorf("left: %d owners, %d turns, %d waiting, %d under way; %d started", len(s.owners), len(s.turns), s.waiting, s.busy, len(started))
	}
}

// TestResize checks that more slots start work that waits, and that fewer end no work and start none.
func TestResize(t *testing.T) {
	s := NewSlots(1, 8, 1)
	var started []int
	acquire := func(i int) {
		s.Acquire(User(fmt.Sprint(i)), work{start: func() { started = append(started, i) }, refuse: func() { t.Errorf("%d is refused", i) }})
	}
	for i := range 5 {
		acquire(i)
	}
	if s.Resize(3, 8, 1); fmt.Sprint(started) != "[0 1 2]" {
		t.Errorf("with three slots, these have started: %v", started)
	}
	if s.Resize(1, 1, 1); fmt.Sprint(started) != "[0 1 2]" || s.waiting != 2 {
		t.Errorf("with one slot, these have started: %v; %d wait", started, s.waiting)
	}
	s.Release(User("0"))
	s.Release(User("1"))
	if len(started) != 3 {
		t.Errorf("work starts above the new number: %v", started)
	}
	s.Release(User("2"))
	s.Release(User("3"))
	s.Release(User("4"))
	if fmt.Sprint(started) != "[0 1 2 3 4]" || s.busy+s.waiting+len(s.owners) != 0 {
		t.Errorf("at the end: %v", started)
	}
}
