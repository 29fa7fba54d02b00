package slowmode

import (
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"webim/netpoll/wstest"
	"webim/room/budget"
)

var greedy = budget.User("greedy")

// TestPass checks when a user may send the next message, and when a message counts as a retry of the
// last one.
func TestPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var all Table
		pass := func(user, id string) (func(), error) {
			return all.Pass(Key{"r", user}, budget.User(user), time.Hour, id)
		}
		for _, c := range []struct {
			id    string
			after time.Duration // since the last message that passed and was no retry
			ok    bool
		}{
			{"k", 0, true}, {"k", time.Minute, true}, {"", time.Minute, false}, {"l", time.Minute, false},
			{"k", 2 * retryTime, false}, // the engine may have forgotten it
			{"k", time.Hour, true},
			{"", 2 * time.Hour, true}, {"", time.Minute, false}, // no id is not the same id
		} {
			if last, known := all.known[Key{"r", "ann"}]; known {
				time.Sleep(time.Until(last.Value.at.Add(c.after)))
			}
			if _, err := pass("ann", c.id); (err == nil) != c.ok {
				t.Errorf("%q after %v: %v", c.id, c.after, err)
			}
		}
		undo, _ := pass("bob", "k")
		if retried, err := pass("bob", "k"); retried != nil || err != nil {
			t.Error("a retry counts")
		}
		undo()
		if _, err := pass("bob", "l"); err != nil {
			t.Errorf("after a message that was not published: %v", err)
		}
		undo() // belongs to the message before
		if _, err := pass("bob", ""); err == nil {
			t.Error("undo of an earlier message has dropped a published one")
		}
	})
}

// TestShares checks that a client that fills the table loses its own entries, and that everybody else
// still has to wait.
func TestShares(t *testing.T) {
	ann := Key{"r", "ann"}
	for name, who := range map[string]func(i int) (Key, budget.Owner){
		"a user in many rooms": func(i int) (Key, budget.Owner) {
			return Key{fmt.Sprint("own ", i), "greedy"}, greedy
		},
		"many guests of one address": func(i int) (Key, budget.Owner) {
			return Key{"r", fmt.Sprint("guest ", i)}, budget.Addr(netip.MustParseAddr("192.0.2.7"))
		},
		"guests of one IPv6 network": func(i int) (Key, budget.Owner) {
			return Key{"r", fmt.Sprint("guest ", i)}, budget.Addr(netip.MustParseAddr(fmt.Sprintf("2001:db8::%x", i+1)))
		},
		"thirty users": func(i int) (Key, budget.Owner) {
			user := fmt.Sprint("greedy ", i%30)
			return Key{fmt.Sprint("own ", i), user}, budget.User(user)
		},
	} {
		t.Run(name, func(t *testing.T) {
			var all Table
			if _, err := all.Pass(ann, budget.User("ann"), 24*time.Hour, ""); err != nil {
				t.Fatal(err)
			}
			for i := range 5 * MaxEntries / 2 {
				k, payer := who(i)
				if _, err := all.Pass(k, payer, 24*time.Hour, ""); err != nil {
					t.Fatalf("message %d: %v", i, err)
				}
			}
			if _, err := all.Pass(ann, budget.User("ann"), 24*time.Hour, ""); err == nil {
				t.Error("ann need not wait any more")
			}
			if n := all.queue.Len(); n != MaxEntries || all.Len() != n {
				t.Errorf("%d entries are queued and %d known, want %d", n, all.Len(), MaxEntries)
			}
		})
	}
}

// TestEntriesEnd checks that entries are dropped after their intervals, without a timer.
func TestEntriesEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var all Table
		pass := func(i int) {
			if _, err := all.Pass(Key{"r", fmt.Sprint(i)}, greedy, time.Minute, ""); err != nil {
				t.Fatal(err)
			}
		}
		for i := range 1000 {
			pass(i)
		}
		time.Sleep(time.Minute)
		for i := range 1000 {
			pass(1000 + i)
		}
		if n := all.queue.Len(); n != 1000 || all.Len() != n {
			t.Errorf("%d entries are queued and %d known, of a thousand intervals", n, all.Len())
		}
	})
}

// TestLockOrderNamesEachMutex: see wstest.LockOrder.
func TestLockOrderNamesEachMutex(t *testing.T) { wstest.LockOrder(t) }
