package room_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/centrifugal/protocol"
	"github.com/gobwas/ws"

	"webim/netpoll/wstest"
	"webim/room"
	"webim/room/engine"
	"webim/room/roomtest"
	"webim/room/token"
	"webim/room/wire"
)

// meanwhile is a change of the State that another node makes while a node moves, and its consequence for eve.
type meanwhile struct {
	name   string
	change func(e engine.Engine)
	closes int    // her connections end with this code; 0: they go on
	leaves string // she leaves this room
	refuse wire.ErrorCode
}

// store writes an entry.
func store(t testing.TB, table, of, name, value string) func(engine.Engine) {
	return func(e engine.Engine) {
		e.Put(engine.Entry{Key: engine.Key{Table: table, Of: of, Name: name}, Value: []byte(value), Version: engine.AnyVersion}, func(_ uint64, err error) {
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// TestMoveMeanwhile checks that what another node does against a user while this one moves, after the old process has stopped and
// before the new one has the user's connections, holds when the new one has them; and that it concerns nobody else.
func TestMoveMeanwhile(t *testing.T) {
	revokes := string([]byte{0x7f, 0, 0, 0, 0, 0, 0, 0}) // up to a time that is far away
	unlist := func(e engine.Engine) {
		e.Delete(engine.Key{Table: engine.TableMember, Of: "$club", Name: "eve"}, engine.AnyVersion, func(err error) {
			if err != nil {
				t.Error(err)
			}
		})
	}
	all := []meanwhile{
		{name: "a ban", change: store(t, engine.TableBan, "", "eve", "{}"), closes: int(wire.DisconnectBanned)},
		{name: "a ban in a room", change: store(t, engine.TableBan, "q", "eve", "{}"), leaves: "q"},
		{name: "a ban of a network in a room", change: store(t, engine.TableBanIP, "q", "127.0.0.0/8", "{}"), leaves: "q"},
		{name: "a revoked user", change: store(t, engine.TableRevoked, "eve", "", revokes), closes: int(wire.DisconnectInvalidToken)},
		{name: "a revoked token", change: store(t, engine.TableRevoked, "", "of eve", revokes), closes: int(wire.DisconnectInvalidToken)},
		{name: "a revoked token of a subscription", change: store(t, engine.TableRevoked, "", "ticket", revokes), leaves: "ticketed"},
		{name: "a roster", change: unlist, leaves: "$club"},
		{name: "an erasure", change: func(e engine.Engine) {
			e.Put(engine.Tombstone("eve", time.Now()), func(uint64, error) {})
		}, closes: int(wire.DisconnectForceNoReconnect)},
		{name: "a mute", change: store(t, engine.TableMute, "", "eve", "{}"), refuse: wire.ErrMuted},
		{name: "a locked room", change: store(t, engine.TableRoom, "r", "", `{"locked":true}`), refuse: wire.ErrLocked},
	}
	for _, c := range all {
		for _, started := range []bool{false, true} {
			t.Run(fmt.Sprint(c.name, ", the hub has started: ", started), func(t *testing.T) { c.test(t, started) })
		}
	}
}

func (c meanwhile) test(t *testing.T, started bool) {
	v, sign := tokens(t)
	config := func() room.Config {
		cfg := quietly(openConfig())
		cfg.Tokens, cfg.Revoked = v, &token.Revoked{}
		return cfg
	}
	n := roomtest.Start(t, config(), noNets)
	for _, user := range []string{"eve", "ann"} {
		store(t, engine.TableMember, "$club", user, "{}")(n.Hub.Engine())
	}
	// Eve was erased once before, and has come back.
	n.Hub.Engine().Put(engine.Tombstone("eve", time.Now()), func(uint64, error) {})
	ended := make(chan struct{})
	n.Hub.Post(func() { close(ended) }) // after the work of that erasure, which closes her connections
	<-ended
	enter := func(user string) (*wstest.Protocol, *wstest.Client) {
		mine := sign(token.Claims{User: user, ID: "of " + user}, time.Hour)
		p := wstest.OpenProtocol(t, n.Addr, wire.EndpointPath, false)
		p.Connect(&protocol.ConnectRequest{Token: mine})
		ticket := ""
		if user == "eve" {
			ticket = sign(token.Claims{User: user, ID: "ticket", Channel: "ticketed"}, time.Hour)
		}
		for _, q := range []*protocol.SubscribeRequest{{Channel: "r"}, {Channel: "q"}, {Channel: "$club"}, {Channel: "ticketed", Token: ticket}} {
			p.Subscribe(q)
		}
		plain := wstest.ConnectPath(t, n.Addr, "/plain?token="+mine)
		plain.Send(0x81, "here")
		plain.Expect(0x81, "here")
		return p, plain
	}
	eve, evePlain := enter("eve")
	ann, annPlain := enter("ann")
	evePlain.Expect(0x81, "here")
	n.Meanwhile = func(next *roomtest.Node, is bool) {
		if is == started {
			c.change(next.Hub.Engine())
		}
	}
	n = n.Move(config(), noNets)
	publish := &protocol.Command{Publish: &protocol.PublishRequest{Channel: "r", Data: []byte(`1`)}}
	switch {
	case c.closes != 0:
		if code, _ := eve.Disconnected(); code != c.closes {
			t.Errorf("closed with %d, want %d", code, c.closes)
		}
		expectClosing(t, evePlain, c.closes)
	case c.leaves != "":
		for push := eve.Push(); push.Unsubscribe == nil || push.Channel != c.leaves; push = eve.Push() {
		}
	default:
		if e := eve.ExpectError(publish); e.Code != uint32(c.refuse) {
			t.Errorf("a message is refused with %v", e)
		}
	}
	if c.leaves == "" && c.refuse != wire.ErrLocked {
		ann.Publish("r", `2`)
	}
	annPlain.Send(0x81, "still here")
	annPlain.Expect(0x81, "still here")
}

// TestMoveAfterExpiry checks that connections and a subscription end whose tokens expire while the node moves.
func TestMoveAfterExpiry(t *testing.T) {
	cfg := quietly(openConfig())
	v, sign := tokens(t)
	cfg.Tokens, cfg.ExpiredGrace = v, time.Nanosecond
	n := roomtest.Start(t, cfg, noNets)
	const life = 2 * time.Second
	end := time.Now().Add(life + time.Second) // tokens have whole seconds
	soon := sign(token.Claims{User: "ann"}, life)
	plain := wstest.ConnectPath(t, n.Addr, "/r?token="+soon)
	p := wstest.OpenProtocol(t, n.Addr, wire.EndpointPath, false)
	p.Connect(&protocol.ConnectRequest{Token: soon})
	sub := as(t, n, sign, "bob", false)
	sub.Subscribe(&protocol.SubscribeRequest{Channel: "q", Token: sign(token.Claims{User: "bob", Channel: "q"}, life)})
	n.Freeze()
	wstest.Eventually(t, "the tokens have expired", func() bool { return time.Now().After(end) })
	n.Go(n.Successor(cfg, noNets))
	if code, _ := p.Disconnected(); code != int(wire.DisconnectExpired) {
		t.Errorf("closed with %d", code)
	}
	expectClosing(t, plain, int(ws.StatusPolicyViolation))
	for push := sub.Push(); push.Unsubscribe == nil || push.Channel != "q"; push = sub.Push() {
	}
}
