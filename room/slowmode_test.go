package room

import (
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/centrifugal/protocol"
	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/room/budget"
	"webim/room/wire"
)

// slowly starts a node with a room in slow mode, of an hour, where a member is.
func slowly(t *testing.T, c Config) (n *node, member *client, r *Room) {
	t.Helper()
	n = start(t, c, netpoll.Config{})
	n.set("r", `{"slow":3600}`)
	member = n.join("/r", noDeflate)
	return n, member, n.room("r")
}

// A message that waits for its room comes to the hub again, and is one message all
// the same.
func TestSlowModeCountsWhatWaitsOnce(t *testing.T) {
	n, member, r := slowly(t, Config{MaxUnswept: 1000})
	all := uint64(n.hub.cfg.MaxUnswept)
	if !r.tryAcquire(all) {
		t.Fatal("the room is busy from the start")
	}
	if err := member.send(ws.OpText, "first"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the message waits", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.waiting.Len() == 1
	})
	r.release(all)
	member.expect(t, ws.OpText, "first")
	if err := member.send(ws.OpText, "second"); err != nil { // too soon, and lost
		t.Fatal(err)
	}
	if err := n.say("r", "from elsewhere"); err != nil {
		t.Fatal(err)
	}
	member.expect(t, ws.OpText, "from elsewhere")
}

// What could not be said, for whatever reason, is not counted.
func TestSlowModeCountsWhatIsSaid(t *testing.T) {
	c := chatty()
	c.MaxUnswept, c.Text = 1000, TextLimits{Bytes: 100}
	n, _, r := slowly(t, c)
	k := n.talk(wire.JSON)
	say := func(data string) *protocol.Command {
		return &protocol.Command{Publish: &protocol.PublishRequest{Channel: "r", Data: []byte(data)}}
	}
	if got := k.ask(t, say(`{"text":"\u0000"}`)); got.Error == nil || got.Error.Code != uint32(wire.ErrText) {
		t.Errorf("a control character: %v", got)
	}
	all := uint64(n.hub.cfg.MaxUnswept)
	if !r.tryAcquire(all) {
		t.Fatal("the room is busy from the start")
	}
	k.expectError(t, wire.ErrTooManyRequests, say(`{"text":"to a busy room"}`))
	r.release(all)
	k.publish(t, "r", `{"text":"said"}`)
	if got := k.ask(t, say(`{"text":"too soon"}`)); got.Error == nil || got.Error.Code != uint32(wire.ErrSlowMode) {
		t.Errorf("the next: %v", got)
	}
}

// TestLastSpoke: when a user may send the next message, and what a retry of the last is.
func TestLastSpoke(t *testing.T) {
	var all lastSpoke
	pass := func(name, key string) (func(), error) {
		return all.pass(whoWhere{"r", name}, budget.User(name), time.Hour, key)
	}
	for _, c := range []struct {
		key string
		ago time.Duration // when the last message was sent
		ok  bool
	}{
		{"k", 0, true}, {"k", time.Minute, true}, {"", time.Minute, false}, {"l", time.Minute, false},
		{"k", 2 * retryTime, false}, // the engine may have forgotten it
		{"k", time.Hour, true},
		{"", 2 * time.Hour, true}, {"", time.Minute, false}, // no key is not the same key
	} {
		if last, known := all.known[whoWhere{"r", "ann"}]; known {
			last.Value.at = time.Now().Add(-c.ago)
		}
		if _, err := pass("ann", c.key); (err == nil) != c.ok {
			t.Errorf("%q after %v: %v", c.key, c.ago, err)
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
	undo() // is about the message before
	if _, err := pass("bob", ""); err == nil {
		t.Error("a published message is forgotten")
	}
}

// TestSlowModeShares: whoever fills the table of slow mode loses its own entries, and
// everybody else still has to wait.
func TestSlowModeShares(t *testing.T) {
	ann := whoWhere{"r", "ann"}
	for name, who := range map[string]func(i int) (whoWhere, budget.Owner){
		"a user in many rooms": func(i int) (whoWhere, budget.Owner) {
			return whoWhere{fmt.Sprint("own ", i), "greedy"}, greedy
		},
		"many guests of one address": func(i int) (whoWhere, budget.Owner) {
			return whoWhere{"r", fmt.Sprint("guest ", i)}, budget.Addr(netip.MustParseAddr("192.0.2.7"))
		},
		"guests of one IPv6 network": func(i int) (whoWhere, budget.Owner) {
			return whoWhere{"r", fmt.Sprint("guest ", i)}, budget.Addr(netip.MustParseAddr(fmt.Sprintf("2001:db8::%x", i+1)))
		},
		"thirty users": func(i int) (whoWhere, budget.Owner) {
			return whoWhere{fmt.Sprint("own ", i), fmt.Sprint("greedy ", i%30)}, budget.User(fmt.Sprint("greedy ", i%30))
		},
	} {
		t.Run(name, func(t *testing.T) {
			var all lastSpoke
			if _, err := all.pass(ann, budget.User("ann"), 24*time.Hour, ""); err != nil {
				t.Fatal(err)
			}
			for i := range 5 * maxSpoken / 2 {
				where, payer := who(i)
				if _, err := all.pass(where, payer, 24*time.Hour, ""); err != nil {
					t.Fatalf("message %d: %v", i, err)
				}
			}
			if _, err := all.pass(ann, budget.User("ann"), 24*time.Hour, ""); err == nil {
				t.Error("ann need not wait any more")
			}
			if n := all.queue.Len(); n != maxSpoken || len(all.known) != n {
				t.Errorf("%d entries, %d of them known, want %d", n, len(all.known), maxSpoken)
			}
		})
	}
}

// An entry whose interval is over goes without a timer, and the table is empty again.
func TestLastSpokeEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var all lastSpoke
		pass := func(i int) {
			if _, err := all.pass(whoWhere{"r", fmt.Sprint(i)}, greedy, time.Minute, ""); err != nil {
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
		if n := all.queue.Len(); n != 1000 || len(all.known) != n {
			t.Errorf("%d entries, %d of them known, of a thousand intervals", n, len(all.known))
		}
	})
}
