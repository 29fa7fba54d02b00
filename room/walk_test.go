package room_test

import (
	"testing"

	"github.com/centrifugal/protocol"
	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/room"
	"webim/room/engine"
	"webim/room/moderation"
	"webim/room/wire"
)

// TestRoomsAreWalkedAlone checks that the calls that the owner of a room can make look only at
// the connections and the pending joins of that room, in both dialects.
func TestRoomsAreWalkedAlone(t *testing.T) {
	n := start(t, openConfig(), netpoll.Config{})
	here, other := n.connect(wire.JSON), n.connect(wire.Protobuf)
	here.subscribe(t, &protocol.SubscribeRequest{Channel: "r"})
	other.subscribe(t, &protocol.SubscribeRequest{Channel: "s"})
	n.joinAll(2, "/r", plain)
	n.joinAll(20, "/s", plain)
	looked := func(selects func(room.Kind) bool) (k int) {
		for c := range n.hub.Conns("r", selects) {
			if k++; !c.Exists() {
				t.Error("a connection that is not there")
			}
		}
		return k
	}
	any := func(room.Session) bool { return true }
	if k := looked(func(k room.Kind) bool { return k.Dialect() == room.PlainDialect }); k != 2 {
		t.Errorf("%d plain connections are looked at, not 2", k)
	}
	plainly := 0
	n.hub.ClosePlain("r", wire.DisconnectBanned, "", func(netpoll.Conn) bool { plainly++; return false })
	if plainly != 2 {
		t.Errorf("%d plain connections are asked about, not 2", plainly)
	}
	if k := len(n.hub.SessionsIn("r", any)); k != 1 {
		t.Errorf("%d sessions are looked at, not 1", k)
	}
	s := n.hub.SessionsIn("s", any)[0] // the other one is joining now
	r := n.room("r")
	r.Mu().Lock()
	r.SetPending(&room.PendingJoin{Conn: s.Conn(), Kind: room.KindOf(room.ProtobufDialect, s.Conn().Variant(), false)})
	r.Mu().Unlock()
	if k := looked(room.AnyKind); k != 4 {
		t.Errorf("%d connections are looked at, not 4", k)
	}
	r.Mu().Lock()
	r.SetPending(nil)
	r.Mu().Unlock()
	if k := len(n.hub.SessionsIn("", any)); k != 2 {
		t.Errorf("%d sessions are looked at everywhere, not 2", k)
	}
}

// TestBanByAddressInARoom checks that the ban ends the memberships of that room, and no others.
func TestBanByAddressInARoom(t *testing.T) {
	n := start(t, openConfig(), netpoll.Config{})
	here, other := n.connect(wire.JSON), n.connect(wire.Protobuf)
	for _, room := range []string{"r", "s"} {
		here.subscribe(t, &protocol.SubscribeRequest{Channel: room})
	}
	other.subscribe(t, &protocol.SubscribeRequest{Channel: "s"})
	plainHere, plainOther := n.join("/r", noDeflate), n.join("/s", noDeflate)
	sanctioned(t, n.hub.Impose, moderation.Sanction{Table: engine.TableBanIP, Room: "r", Who: "127.0.0.0/8"})
	if p := here.push(t); p.Channel != "r" || p.Unsubscribe == nil {
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
		if p := k.push(t); p.Channel != "s" || p.Pub == nil {
			t.Errorf("in the other room: %v", p)
		}
	}
}
