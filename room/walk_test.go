package room_test

import (
	"testing"

	"github.com/centrifugal/protocol"
	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/room"
	"webim/room/engine"
	"webim/room/identity"
	"webim/room/moderation"
	"webim/room/wire"
)

// TestRoomsAreWalkedAlone checks that the calls that the owner of a room can make look only at
// the connections and the pending joins of that room, in both dialects.
func TestRoomsAreWalkedAlone(t *testing.T) {
	n := start(t, openConfig(), netpoll.Config{})
	here, other := n.connect(wire.JSON), n.connect(wire.Protobuf)
	here.Subscribe(&protocol.SubscribeRequest{Channel: "r"})
	other.Subscribe(&protocol.SubscribeRequest{Channel: "s"})
	n.joinAll(2, "/r", plain)
	n.joinAll(20, "/s", plain)
	looked := func(plainly bool) (k int) {
		for c := range n.hub.Conns("r", plainly) {
			if k++; !c.Exists() {
				t.Error("a connection that is not there")
			}
		}
		return k
	}
	if k := looked(true); k != 2 {
		t.Errorf("%d plain connections are looked at, not 2", k)
	}
	if k := looked(false); k != 1 {
		t.Errorf("%d sessions are looked at, not 1", k)
	}
	var s identity.Session // the other one is joining now
	for c := range n.hub.Conns("s", false) {
		s = identity.SessionOf(c)
	}
	r := n.room("r")
	r.Mu().Lock()
	r.SetPending(&room.PendingJoin{Conn: s.Conn(), Kind: room.KindOf(room.ProtobufDialect, s.Conn().Variant(), false)})
	r.Mu().Unlock()
	if k := looked(true) + looked(false); k != 4 {
		t.Errorf("%d connections are looked at, not 4", k)
	}
	r.Mu().Lock()
	r.SetPending(nil)
	r.Mu().Unlock()
}

// TestBanByAddressInARoom checks that the ban ends the memberships of that room, and no others.
func TestBanByAddressInARoom(t *testing.T) {
	n := start(t, openConfig(), netpoll.Config{})
	here, other := n.connect(wire.JSON), n.connect(wire.Protobuf)
	for _, room := range []string{"r", "s"} {
		here.Subscribe(&protocol.SubscribeRequest{Channel: room})
	}
	other.Subscribe(&protocol.SubscribeRequest{Channel: "s"})
	plainHere, plainOther := n.join("/r", noDeflate), n.join("/s", noDeflate)
	sanctioned(t, n.hub.Impose, moderation.Sanction{Table: engine.TableBanIP, Room: "r", Who: "127.0.0.0/8"})
	if p := here.Push(); p.Channel != "r" || p.Unsubscribe == nil {
		t.Errorf("in the room: %v", p)
	}
	if op, data, err := plainHere.read(); err != nil || op != ws.OpClose {
		t.Errorf("in the plain room: %v %q %v", op, data, err)
	}
	if err := n.say("s", "still"); err != nil {
		t.Fatal(err)
	}
	plainOther.expect(t, ws.OpText, "still")
	for _, k := range []*protocolClient{here, other} {
		if p := k.Push(); p.Channel != "s" || p.Pub == nil {
			t.Errorf("in the other room: %v", p)
		}
	}
}
