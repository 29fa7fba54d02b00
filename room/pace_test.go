package room

import (
	"fmt"
	"testing"
	"time"

	"github.com/centrifugal/protocol"
	"github.com/gobwas/ws"

	"webim/netpoll"
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
	if !r.tryEnter(all) {
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
	r.entered(all)
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
	if !r.tryEnter(all) {
		t.Fatal("the room is busy from the start")
	}
	k.expectError(t, wire.ErrTooManyRequests, say(`{"text":"to a busy room"}`))
	r.entered(all)
	k.publish(t, "r", `{"text":"said"}`)
	if got := k.ask(t, say(`{"text":"too soon"}`)); got.Error == nil || got.Error.Code != uint32(wire.ErrSlowMode) {
		t.Errorf("the next: %v", got)
	}
}

// TestTalkers: who may say the next when, and what is a retry of the last.
func TestTalkers(t *testing.T) {
	var all talkers
	ann := whoWhere{"r", "ann"}
	for _, c := range []struct {
		key string
		ago time.Duration // when the last was said
		ok  bool
	}{
		{"k", 0, true}, {"k", time.Minute, true}, {"", time.Minute, false}, {"l", time.Minute, false},
		{"k", 2 * retryTime, false}, // the engine may have forgotten it
		{"k", time.Hour, true},
		{"", 2 * time.Hour, true}, {"", time.Minute, false}, // no key is not the same key
	} {
		if last, known := all.young[ann]; known {
			last.at = time.Now().Add(-c.ago)
			all.young[ann] = last
		}
		if _, err := all.pass(ann, time.Hour, c.key); (err == nil) != c.ok {
			t.Errorf("%q after %v: %v", c.key, c.ago, err)
		}
	}
	bob := whoWhere{"r", "bob"}
	undo, _ := all.pass(bob, time.Hour, "k")
	if retried, err := all.pass(bob, time.Hour, "k"); retried != nil || err != nil {
		t.Error("a retry counts")
	}
	undo()
	if _, err := all.pass(bob, time.Hour, "l"); err != nil {
		t.Errorf("after what was not said: %v", err)
	}
	undo() // is about what came before
	if _, err := all.pass(bob, time.Hour, ""); err == nil {
		t.Error("what was said is forgotten")
	}
}

// However many say something under ever new names while nobody's time is over, a
// bounded number is remembered, and those who came last.
func TestTalkersAreBounded(t *testing.T) {
	var all talkers
	name := func(i int) whoWhere { return whoWhere{"r", fmt.Sprint(i)} }
	const many = 5*maxTalkers + maxTalkers/2
	for i := range many {
		if _, err := all.pass(name(i), time.Hour, ""); err != nil {
			t.Fatalf("the first of %d: %v", i, err)
		}
	}
	if n := len(all.young) + len(all.old); n > 2*maxTalkers {
		t.Errorf("%d are remembered, at most %d should be", n, 2*maxTalkers)
	}
	for i := many - maxTalkers; i < many; i++ {
		if _, err := all.pass(name(i), time.Hour, ""); err == nil {
			t.Fatalf("%d of %d is forgotten", i, many)
		}
	}
}
