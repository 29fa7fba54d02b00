package room_test

import (
	"testing"

	"github.com/centrifugal/protocol"
	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/netpoll/wstest"
	"webim/room"
	"webim/room/policy"
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

// TestSlowModeCountsOnlyPublishedMessages checks that slow mode does not count a refused message.
func TestSlowModeCountsOnlyPublishedMessages(t *testing.T) {
	c := openConfig()
	c.MaxUnswept, c.Text = 1000, policy.TextLimits{Bytes: 100}
	n, _, r := slowly(t, c)
	k := n.connect(wire.JSON)
	say := func(data string) *protocol.Command {
		return &protocol.Command{Publish: &protocol.PublishRequest{Channel: "r", Data: []byte(data)}}
	}
	if got := k.Ask(say(`{"text":"\u0000"}`)); got.Error == nil || got.Error.Code != uint32(wire.ErrText) {
		t.Errorf("a control character: %v", got)
	}
	all := uint64(n.hub.Config().MaxUnswept)
	if !r.TryAcquire(all) {
		t.Fatal("the room is busy from the start")
	}
	k.expectError(t, wire.ErrTooManyRequests, say(`{"text":"to a busy room"}`))
	r.Release(all)
	k.Publish("r", `{"text":"said"}`)
	if got := k.Ask(say(`{"text":"too soon"}`)); got.Error == nil || got.Error.Code != uint32(wire.ErrSlowMode) {
		t.Errorf("the next: %v", got)
	}
}
