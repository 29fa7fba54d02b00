package room_test

import (
	"encoding/binary"
	"sync/atomic"
	"testing"
	"time"

	"github.com/centrifugal/protocol"

	"webim/netpoll"
	"webim/netpoll/wstest"
	"webim/room"
	"webim/room/policy"
	"webim/room/roomtest"
	"webim/room/token"
	"webim/room/wire"
)

// closable are the rights of room "club": open, and later for moderators only.
type closable struct {
	open, closed policy.Patterns
	hub          *room.Hub
	left         atomic.Int32 // questions until the rights change; not positive: they have changed, or do not
	changed      atomic.Bool
}

func newClosable() *closable {
	rights := policy.OpenRights()
	rights[policy.ActJoin] = policy.RoleModerator
	return &closable{open: policy.Patterns{{Match: "*", Options: policy.Options{Rights: policy.OpenRights()}}},
		closed: policy.Patterns{{Match: "*", Options: policy.Options{Rights: rights}}}}
}

// options is room.Config.Options. A question that makes the rights change still gets the old ones, after all members
// were judged by the new ones.
func (c *closable) options(name string) *policy.Options {
	now := &c.open
	if c.changed.Load() {
		now = &c.closed
	}
	if name == "club" && c.left.Add(-1) == 0 {
		c.changed.Store(true)
		c.hub.Rejudge()
	}
	return now.Options(name)
}

// TestRejudgeWhileJoining changes the rights of a room while a client is joining: at each question for the rights until the
// join is judged. The client does not come in by the old ones.
func TestRejudgeWhileJoining(t *testing.T) {
	for k := int32(1); k <= 3; k++ {
		c := newClosable()
		cfg := quietly(openConfig())
		cfg.Options = c.options
		n := roomtest.Start(t, cfg, netpoll.Config{})
		c.hub = n.Hub
		session := wstest.OpenProtocol(t, n.Addr, wire.EndpointPath, false)
		session.Connect(&protocol.ConnectRequest{})
		c.left.Store(k)
		if err := session.ExpectError(&protocol.Command{Subscribe: &protocol.SubscribeRequest{Channel: "club"}}); err.Code != uint32(wire.ErrPermissionDenied) {
			t.Errorf("question %d: %v", k, err)
		}
		if m := n.Hub.Stats().Members; m != 0 {
			t.Errorf("question %d: %d members", k, m)
		}
	}
	c := newClosable()
	cfg := quietly(openConfig())
	cfg.Options = c.options
	n := roomtest.Start(t, cfg, netpoll.Config{})
	c.hub = n.Hub
	c.left.Store(2) // of the two questions of the handshake
	plain := wstest.ConnectPath(t, n.Addr, "/club")
	expectClosing(t, plain, int(wire.DisconnectPermissionDenied))
}

// expectClosing reads a Close frame with a code, and hangs up. It does not wait for the end of the stream: roomtest gives a
// client little time for its answer, and then resets the connection.
func expectClosing(t *testing.T, plain *wstest.Client, code int) {
	t.Helper()
	if b0, p, err := plain.ReadFrame(); b0 != 0x88 || len(p) < 2 || int(binary.BigEndian.Uint16(p)) != code {
		t.Errorf("got frame %02x %q, %v; want Close %d", b0, p, err, code)
	}
	plain.HangUp()
}

// TestMoveToOtherRights moves a hub to a process in whose settings a room is closed, and in which a token is revoked. The
// members leave the room, and are told so; others stay.
func TestMoveToOtherRights(t *testing.T) {
	c := newClosable()
	v, sign := tokens(t)
	cfg := quietly(openConfig())
	cfg.Tokens, cfg.Revoked, cfg.Options = v, &token.Revoked{}, c.open.Options
	n := roomtest.Start(t, cfg, netpoll.Config{})
	session, other := wstest.OpenProtocol(t, n.Addr, wire.EndpointPath, false), wstest.OpenProtocol(t, n.Addr, wire.EndpointPath, true)
	for _, p := range []*wstest.Protocol{session, other} {
		p.Connect(&protocol.ConnectRequest{Token: sign(token.Claims{User: "ann"}, time.Hour)})
	}
	session.Subscribe(&protocol.SubscribeRequest{Channel: "club"})
	for _, id := range []string{"good", "bad"} {
		other.Subscribe(&protocol.SubscribeRequest{Channel: id, Token: sign(token.Claims{User: "ann", Channel: id, ID: id}, time.Hour)})
	}
	plain := wstest.ConnectPath(t, n.Addr, "/club")
	wstest.Eventually(t, "the members are there", func() bool { return n.Hub.Stats().Members == 4 })
	next := cfg
	next.Options, next.Revoked = c.closed.Options, &token.Revoked{}
	if err := next.Revoked.RevokeID("bad", time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	n = n.Move(next, netpoll.Config{})
	if push := session.Push(); push.Channel != "club" || push.Unsubscribe == nil || push.Unsubscribe.Reason != "permission denied" {
		t.Errorf("the session gets %v", push)
	}
	if push := other.Push(); push.Channel != "bad" || push.Unsubscribe == nil {
		t.Errorf("the other session gets %v", push)
	}
	expectClosing(t, plain, int(wire.DisconnectPermissionDenied))
	other.Publish("good", `1`)
	if push := other.Push(); push.Channel != "good" || push.Pub == nil {
		t.Errorf("the other session gets %v", push)
	}
	session.Leave()
	other.Leave()
}
