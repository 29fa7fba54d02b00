package shares

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"webim/netpoll/wstest"
	"webim/room/budget"
	"webim/room/engine"
	"webim/room/engine/memory"
)

var (
	greedy    = budget.User("greedy")
	bystander = budget.User("bystander")
)

// start makes the shares of a memory engine, and watches until the test ends.
func start(t *testing.T, limits memory.Limits) (*Shares, *memory.Engine) {
	e := memory.New(limits)
	s := New(e, nil)
	t.Cleanup(s.Watch())
	return s, e
}

// TestGiftsAndRosters checks that the owner that invites a user pays for the membership until the user
// adopts it, and that the members of a roster are counted.
func TestGiftsAndRosters(t *testing.T) {
	s, e := start(t, memory.Limits{})
	all := []engine.Key{{Table: engine.TableMember, Of: "$r", Name: "bob"}, {Table: engine.TableMine, Of: "bob", Name: "$r"}, {Table: engine.TableMine, Of: "greedy", Name: "$r"}}
	for _, k := range all {
		s.StateOf(greedy).Put(engine.Entry{Key: k, Value: []byte("{}")}, func(_ uint64, err error) {
			if err != nil {
				t.Fatal(err)
			}
		})
	}
	if s.Held(greedy) != s.Used() || !s.hasGifts("bob") || s.hasGifts("greedy") || s.RosterSize("$r") != 1 {
		t.Fatalf("greedy pays for %d of %d bytes; the roster has %d members", s.Held(greedy), s.Used(), s.RosterSize("$r"))
	}
	s.Adopt("bob")
	own := engine.Entry{Key: all[2], Value: []byte("{}")}
	if s.Held(greedy) != own.Cost() || s.Held(budget.User("bob")) != s.Used()-own.Cost() || s.hasGifts("bob") || s.RosterSize("$r") != 1 {
		t.Errorf("of %d bytes greedy pays for %d and bob for %d", s.Used(), s.Held(greedy), s.Held(budget.User("bob")))
	}
	for _, k := range all {
		e.Delete(k, engine.AnyVersion, func(error) {})
	}
	if s.Used() != 0 || len(s.gifts)+len(s.rosters.sizes) > 0 {
		t.Errorf("without an entry %d bytes are counted", s.Used())
	}
}

// TestGuestsEntriesEnd checks that an entry that an address pays for expires with the guest's token.
func TestGuestsEntriesEnd(t *testing.T) {
	s, e := start(t, memory.Limits{})
	for owner, ends := range map[budget.Owner]bool{budget.Addr(netip.MustParseAddr("::1")): true, greedy: false, {}: false} {
		k := engine.Key{Table: engine.TableMine, Of: owner.String(), Name: "r"}
		s.StateOf(owner).Put(engine.Entry{Key: k, Value: []byte("{}")}, func(uint64, error) {})
		e.Get(k, func(e engine.Entry, err error) {
			if err != nil || e.Version == 0 || e.Expires.IsZero() == ends || e.Owner != owner {
				t.Errorf("%q: %+v, %v", owner, e, err)
			}
		})
	}
}

// TestEntriesThatGrow checks that an owner with a full share can shrink its entries and write others of
// the same size, and that nobody can make them grow.
func TestEntriesThatGrow(t *testing.T) {
	s, e := start(t, memory.Limits{MaxState: 256 << 10})
	key := func(i int) engine.Key {
		return engine.Key{Table: engine.TableMine, Of: "greedy", Name: fmt.Sprint("room ", i)}
	}
	write := func(as budget.Owner, k engine.Key, any bool, size int) (failed error) {
		e.Get(k, func(old engine.Entry, _ error) {
			old.Value = []byte(strings.Repeat("x", size))
			if any {
				old.Version = engine.AnyVersion
			}
			s.StateOf(as).Put(old, func(_ uint64, err error) { failed = err })
		})
		return failed
	}
	entries := 0
	for write(greedy, key(entries), false, 100) == nil {
		entries++
	}
	full := s.Held(greedy)
	if entries < 10 || full > 256<<10/16 {
		t.Fatalf("the owner writes %d entries of %d bytes", entries, full)
	}
	for i := range entries {
		if err := write(greedy, key(i), false, 100_000); err != ErrFull {
			t.Fatalf("an entry grows: %v", err)
		}
	}
	for _, c := range []struct {
		name string
		as   budget.Owner
		any  bool
		size int
		want error
		held int64 // by greedy, besides the bytes that it held at first
	}{
		{"growing by as much as fits into no share", greedy, false, 2000, ErrFull, 0},
		{"the same in any version", greedy, true, 2000, ErrFull, 0},
		{"growing by another one's hand", bystander, false, 2000, ErrFull, 0},
		{"the same size", greedy, false, 100, nil, 0},
		{"the same size in any version", greedy, true, 100, nil, 0},
		{"shrinking", greedy, false, 50, nil, -50},
		{"shrinking by another one's hand", bystander, false, 40, nil, -60},
		{"growing to what it was", greedy, false, 100, nil, 0},
		{"taken over by another one", bystander, true, 2000, nil, -(engine.EntryCost + 6 + 6 + 100)},
		{"growing, for another one pays for it", greedy, false, 2100, nil, -(engine.EntryCost + 6 + 6 + 100)},
	} {
		if err := write(c.as, key(0), c.any, c.size); err != c.want {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		if got := s.Held(greedy) - full; got != c.held {
			t.Errorf("%s: the owner holds %d bytes more, want %d", c.name, got, c.held)
		}
	}
	stale := engine.Entry{Key: key(1), Value: []byte("{}"), Version: 1 << 40}
	s.StateOf(greedy).Put(stale, func(_ uint64, err error) {
		if err != engine.ErrVersion {
			t.Errorf("an old version: %v", err)
		}
	})
}

// TestLockOrderNamesEachMutex: see wstest.LockOrder.
func TestLockOrderNamesEachMutex(t *testing.T) { wstest.LockOrder(t) }
