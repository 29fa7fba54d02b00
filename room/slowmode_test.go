package room_test

import (
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/centrifugal/protocol"
	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/netpoll/wstest"
	"webim/room"
	"webim/room/budget"
	"webim/room/wire"
)

// slowly starts a node with a room in slow mode, of an hour, where a member is.
func slowly(t *testing.T, c room.Config) (n *node, member *client, r *room.Room) {
	t.Helper()
	n = start(t, c, netpoll.Config{})
	n.set("r", `{"slow":3600}`)
	member = n.join("/r", noDeflate)
	return n, member, n.room("r")
}

// A message that waits for its room comes to the hub again, and is one message all
// the same.
func TestSlowModeCountsWhatWaitsOnce(t *testing.T) {
	n, member, r := slowly(t, room.Config{MaxUnswept: 1000})
	all := uint64(n.hub.Config().MaxUnswept)
	if !r.TryAcquire(all) {
		t.Fatal("the room is busy from the start")
	}
	if err := member.send(ws.OpText, "first"); err != nil {
		t.Fatal(err)
	}
	wstest.Eventually(t, "the message waits", func() bool {
		r.Mu().Lock()
		defer r.Mu().Unlock()
		return r.Waiting().Len() == 1
	})
	r.Release(all)
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
	c.MaxUnswept, c.Text = 1000, room.TextLimits{Bytes: 100}
	n, _, r := slowly(t, c)
	k := n.talk(wire.JSON)
	say := func(data string) *protocol.Command {
		return &protocol.Command{Publish: &protocol.PublishRequest{Channel: "r", Data: []byte(data)}}
	}
	if got := k.ask(t, say(`{"text":"\u0000"}`)); got.Error == nil || got.Error.Code != uint32(wire.ErrText) {
		t.Errorf("a control character: %v", got)
	}
	all := uint64(n.hub.Config().MaxUnswept)
	if !r.TryAcquire(all) {
		t.Fatal("the room is busy from the start")
	}
	k.expectError(t, wire.ErrTooManyRequests, say(`{"text":"to a busy room"}`))
	r.Release(all)
	k.publish(t, "r", `{"text":"said"}`)
	if got := k.ask(t, say(`{"text":"too soon"}`)); got.Error == nil || got.Error.Code != uint32(wire.ErrSlowMode) {
		t.Errorf("the next: %v", got)
	}
}

// TestLastSpoke: when a user may send the next message, and what a retry of the last is.
func TestLastSpoke(t *testing.T) {
	var all room.LastSpoke
	pass := func(name, key string) (func(), error) {
		return all.Pass(room.NewWhoWhere("r", name), budget.User(name), time.Hour, key)
	}
	for _, c := range []struct {
		key string
		ago time.Duration // when the last message was sent
		ok  bool
	}{
		{"k", 0, true}, {"k", time.Minute, true}, {"", time.Minute, false}, {"l", time.Minute, false},
		{"k", 2 * room.RetryTime, false}, // the engine may have forgotten it
		{"k", time.Hour, true},
		{"", 2 * time.Hour, true}, {"", time.Minute, false}, // no key is not the same key
	} {
		if last, known := all.Known()[room.NewWhoWhere("r", "ann")]; known {
			*last.Value.At() = time.Now().Add(-c.ago)
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
	ann := room.NewWhoWhere("r", "ann")
	for name, who := range map[string]func(i int) (room.WhoWhere, budget.Owner){
		"a user in many rooms": func(i int) (room.WhoWhere, budget.Owner) {
			return room.NewWhoWhere(fmt.Sprint("own ", i), "greedy"), greedy
		},
		"many guests of one address": func(i int) (room.WhoWhere, budget.Owner) {
			return room.NewWhoWhere("r", fmt.Sprint("guest ", i)), budget.Addr(netip.MustParseAddr("192.0.2.7"))
		},
		"guests of one IPv6 network": func(i int) (room.WhoWhere, budget.Owner) {
			return room.NewWhoWhere("r", fmt.Sprint("guest ", i)), budget.Addr(netip.MustParseAddr(fmt.Sprintf("2001:db8::%x", i+1)))
		},
		"thirty users": func(i int) (room.WhoWhere, budget.Owner) {
			return room.NewWhoWhere(fmt.Sprint("own ", i), fmt.Sprint("greedy ", i%30)), budget.User(fmt.Sprint("greedy ", i%30))
		},
	} {
		t.Run(name, func(t *testing.T) {
			var all room.LastSpoke
			if _, err := all.Pass(ann, budget.User("ann"), 24*time.Hour, ""); err != nil {
				t.Fatal(err)
			}
			for i := range 5 * room.MaxSpoken / 2 {
				where, payer := who(i)
				if _, err := all.Pass(where, payer, 24*time.Hour, ""); err != nil {
					t.Fatalf("message %d: %v", i, err)
				}
			}
			if _, err := all.Pass(ann, budget.User("ann"), 24*time.Hour, ""); err == nil {
				t.Error("ann need not wait any more")
			}
			if n := all.Queue().Len(); n != room.MaxSpoken || len(all.Known()) != n {
				t.Errorf("%d entries, %d of them known, want %d", n, len(all.Known()), room.MaxSpoken)
			}
		})
	}
}

// An entry whose interval is over goes without a timer, and the table is empty again.
func TestLastSpokeEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var all room.LastSpoke
		pass := func(i int) {
			if _, err := all.Pass(room.NewWhoWhere("r", fmt.Sprint(i)), greedy, time.Minute, ""); err != nil {
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
		if n := all.Queue().Len(); n != 1000 || len(all.Known()) != n {
			t.Errorf("%d entries, %d of them known, of a thousand intervals", n, len(all.Known()))
		}
	})
}
