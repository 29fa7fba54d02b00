package plain_test

import (
	"testing"
	"time"

	"github.com/centrifugal/protocol"

	"webim/netpoll/wstest"
	"webim/room"
	"webim/room/engine"
	"webim/room/moderation"
	"webim/room/token"
	"webim/room/wire"
)

// TestSanctions checks that mutes, locks and slow mode hold in the plain dialect, where the server drops
// a forbidden message. In slow mode, messages of the user in the other dialect count too.
func TestSanctions(t *testing.T) {
	n := start(t, room.Config{Anonymous: true, PingInterval: -1})
	one, two, nobody := n.joinAs("bob", "r"), n.joinAs("bob", "r"), n.join("r")
	all := []*wstest.Client{one, two, nobody}
	said(one, "first", all...)
	mute := moderation.Sanction{Table: engine.TableMute, Room: "r", Who: "bob", Until: time.Now().Add(time.Hour)}
	n.sanctioned(n.hub.Impose, mute)
	lost(one, "muted")
	lost(two, "muted")
	said(nobody, "others are not", all...)
	n.sanctioned(n.hub.Lift, mute)
	n.set("r", `{"locked":true}`)
	lost(one, "locked")
	lost(nobody, "locked")
	n.set("r", `{"slow":3600}`)
	p := wstest.OpenProtocol(t, n.addr, wire.EndpointPath, false)
	p.Connect(&protocol.ConnectRequest{Token: n.token(token.Claims{User: "bob"}, time.Hour)})
	p.Publish("r", `{"text":"in the other dialect"}`)
	for _, c := range all {
		c.Expect(0x81, "in the other dialect")
	}
	lost(one, "too soon")
	lost(two, "too soon")
	again := &protocol.Command{Publish: &protocol.PublishRequest{Channel: "r", Data: []byte(`{"text":"too soon"}`)}}
	if got := p.ExpectError(again).Code; got != uint32(wire.ErrSlowMode) {
		t.Errorf("on another connection, in the other dialect: error %d", got)
	}
	n.set("r", `{}`)
	said(one, "last", all...) // and nothing in between
}

// TestKick checks that a kick from a room closes the user's plain connections in that room, that a kick
// from the server closes all of them, and that the user may come back.
func TestKick(t *testing.T) {
	n := start(t, room.Config{})
	here, elsewhere, ann := n.joinAs("bob", "r"), n.joinAs("bob", "other"), n.joinAs("ann", "r")
	n.sanctioned(n.hub.Kick, moderation.Sanction{Room: "r", Who: "bob", Over: true})
	here.ExpectClose(3503)
	said(elsewhere, "stays", elsewhere)
	said(ann, "stays", ann)
	n.joinAs("bob", "r").Leave()
	n.sanctioned(n.hub.Kick, moderation.Sanction{Who: "bob"})
	elsewhere.ExpectClose(3503)
}

// TestAdminsAreAbove checks that sanctions of a moderator do not bind an admin of the room, and that a
// ban on the whole server does.
func TestAdminsAreAbove(t *testing.T) {
	n := start(t, room.Config{})
	root, bob := n.joinWith(token.Claims{User: "root", Roles: []string{"admin@r"}}, "r"), n.joinAs("bob", "r")
	for _, s := range []moderation.Sanction{
		{Table: engine.TableMute, Who: "root", Room: "r"},
		{Table: engine.TableBan, Who: "root", Room: "r"},
		{Table: engine.TableBanIP, Who: "127.0.0.0/8", Room: "r"},
	} {
		n.sanctioned(n.hub.Impose, s)
	}
	n.sanctioned(n.hub.Kick, moderation.Sanction{Who: "root", Room: "r"})
	bob.ExpectClose(4503) // the network of both is banned
	said(root, "here", root)
	n.sanctioned(n.hub.Impose, moderation.Sanction{Table: engine.TableBan, Who: "root"}) // an admin of the room only
	root.ExpectClose(4503)
}
