package room_test

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/centrifugal/protocol"
	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/netpoll/wstest"
	"webim/room/budget"
	"webim/room/engine"
	"webim/room/policy"
	"webim/room/roomtest"
	"webim/room/token"
	"webim/room/wire"
)

// noNets is the configuration of the server in most tests.
var noNets = netpoll.Config{}

// as opens a connection of a user, which has connected. It subscribes to room r, if sub is set.
func as(t testing.TB, n *roomtest.Node, sign func(token.Claims, time.Duration) string, user string, sub bool) *wstest.Protocol {
	t.Helper()
	p := wstest.OpenProtocol(t, n.Addr, wire.EndpointPath, false)
	p.Connect(&protocol.ConnectRequest{Token: sign(token.Claims{User: user}, time.Hour)})
	if sub {
		p.Subscribe(&protocol.SubscribeRequest{Channel: "r", Recoverable: true, JoinLeave: true})
	}
	return p
}

// present lists the members of room r as presence shows them, and counts their users.
func presentIn(t testing.TB, n *roomtest.Node) (all []string, users int) {
	t.Helper()
	n.Hub.Presence("r", func(members []engine.Author, err error) {
		for _, a := range members {
			all = append(all, a.User+" "+a.Client)
		}
	})
	n.Hub.PresenceStats("r", func(_, u int, _ error) { users = u })
	slices.Sort(all)
	return all, users
}

// nextPush returns the next push that is no join of the client itself.
func nextPush(t testing.TB, p *wstest.Protocol) *protocol.Push {
	t.Helper()
	for {
		push := p.Push()
		if push.Join == nil || push.Join.Info.User != "watcher" {
			return push
		}
	}
}

// TestMoveTellsNobody checks that the members of a room are the same after a move, and that nobody is told that one has joined or
// left. Then joins and leaves are told as always.
func TestMoveTellsNobody(t *testing.T) {
	cfg := quietly(openConfig())
	v, sign := tokens(t)
	cfg.Tokens, cfg.LeaveDelay = v, time.Nanosecond
	n := roomtest.Start(t, cfg, noNets)
	watcher := as(t, n, sign, "watcher", true)
	ann := as(t, n, sign, "ann", true)
	if push := nextPush(t, watcher); push.Join == nil {
		t.Fatalf("ann joins: %v", push)
	}
	plain := wstest.ConnectPath(t, n.Addr, "/r?token="+sign(token.Claims{User: "ann"}, time.Hour))
	wstest.ConnectPath(t, n.Addr, "/r")
	wstest.Eventually(t, "all are members", func() bool { return n.Hub.Stats().Members == 4 })
	want, users := presentIn(t, n)
	for range 2 {
		n = n.Move(cfg, noNets)
		if got, u := presentIn(t, n); !slices.Equal(got, want) || u != users || users != 3 {
			t.Fatalf("%d users: %q, want %d: %q", u, got, users, want)
		}
		if got := n.Hub.Meter().Counts(); got.Conns != 3 || got.Users != 2 {
			t.Errorf("%+v", got)
		}
	}
	ann.Publish("r", `"hello"`)
	if push := nextPush(t, watcher); push.Pub == nil {
		t.Errorf("the watcher is told %v", push)
	}
	if _, got, err := plain.ReadMessage(); err != nil || !strings.Contains(string(got), "hello") {
		t.Errorf("the plain client got %q, %v", got, err)
	}
	ann.Conn.Close()
	if push := nextPush(t, watcher); push.Leave == nil || push.Leave.Info.User != "ann" {
		t.Errorf("ann leaves: %v", push)
	}
	as(t, n, sign, "bob", true)
	if push := nextPush(t, watcher); push.Join == nil || push.Join.Info.User != "bob" {
		t.Errorf("bob joins: %v", push)
	}
}

// TestMoveKeepsPositions checks that a client that lost its connection before a move recovers after it what it missed on
// either node.
func TestMoveKeepsPositions(t *testing.T) {
	cfg := quietly(openConfig())
	n := roomtest.Start(t, cfg, noNets)
	say := func(text string) {
		n.Hub.Publish("r", engine.Message{Op: ws.OpText, Data: []byte(text)}, nil)
	}
	stays := inRoom(t, n, wire.JSON)
	lost := wstest.OpenProtocol(t, n.Addr, wire.EndpointPath, false)
	lost.Connect(&protocol.ConnectRequest{})
	at := lost.Subscribe(&protocol.SubscribeRequest{Channel: "r", Recoverable: true})
	lost.Conn.Close()
	say("before")
	n = n.Move(cfg, noNets)
	say("after")
	for _, enc := range bothEncodings {
		again := wstest.OpenProtocol(t, n.Addr, wire.EndpointPath, enc == wire.Protobuf)
		again.Connect(&protocol.ConnectRequest{})
		got := again.Subscribe(&protocol.SubscribeRequest{Channel: "r", Recover: true, Epoch: at.Epoch, Offset: at.Offset})
		if !got.Recovered || got.Epoch != at.Epoch || len(got.Publications) != 2 || got.Publications[1].Offset != at.Offset+2 {
			t.Errorf("from %v: %v", at, got)
		}
	}
	for want := at.Offset + 1; want <= at.Offset+2; {
		if push := stays.Push(); push.Pub != nil {
			if push.Pub.Offset != want {
				t.Errorf("the offset %d, want %d", push.Pub.Offset, want)
			}
			want++
		}
	}
}

// TestMoveKeepsLimits checks that rates, slow mode and mutes hold after a move as before.
func TestMoveKeepsLimits(t *testing.T) {
	cfg := quietly(openConfig())
	v, sign := tokens(t)
	cfg.Tokens, cfg.Rates, cfg.UserRates = v, policy.NoRates, policy.NoRates
	cfg.Rates.Set(policy.ClassSend, budget.Rate{N: 2, Per: time.Hour})
	n := roomtest.Start(t, cfg, noNets)
	put := func(e engine.Entry) {
		e.Version = engine.AnyVersion
		n.Hub.Engine().Put(e, func(uint64, error) {})
	}
	put(engine.Entry{Key: engine.Key{Table: engine.TableRoom, Name: "", Of: "slow"}, Value: []byte(`{"slow":3600}`)})
	put(engine.Entry{Key: engine.Key{Table: engine.TableMute, Of: "r", Name: "mallory"}, Value: []byte(`{}`)})
	ann, other, mallory := as(t, n, sign, "ann", true), as(t, n, sign, "ann", true), as(t, n, sign, "mallory", true)
	ann.Publish("slow", `1`)
	ann.Publish("r", `2`)
	n = n.Move(cfg, noNets)
	for what, c := range map[string]struct {
		p    *wstest.Protocol
		room string
		code wire.ErrorCode
	}{"a rate": {ann, "r", wire.ErrTooManyRequests}, "slow mode": {other, "slow", wire.ErrSlowMode}, "a mute": {mallory, "r", wire.ErrMuted}} {
		if e := c.p.ExpectError(&protocol.Command{Publish: &protocol.PublishRequest{Channel: c.room, Data: []byte(`3`)}}); e.Code != uint32(c.code) {
			t.Errorf("%s: %v", what, e)
		}
	}
	other.Publish("r", `4`)
}

// TestMoveKeepsExpiries checks that connections of both dialects, and a subscription, end with their tokens, although they have
// moved meanwhile.
func TestMoveKeepsExpiries(t *testing.T) {
	cfg := quietly(openConfig())
	v, sign := tokens(t)
	cfg.Tokens, cfg.ExpiredGrace = v, time.Nanosecond
	n := roomtest.Start(t, cfg, noNets)
	const life = 2 * time.Second
	soon := sign(token.Claims{User: "ann"}, life)
	plain := wstest.ConnectPath(t, n.Addr, "/r?token="+soon)
	p := wstest.OpenProtocol(t, n.Addr, wire.EndpointPath, false)
	p.Connect(&protocol.ConnectRequest{Token: soon})
	sub := as(t, n, sign, "bob", false)
	sub.Subscribe(&protocol.SubscribeRequest{Channel: "q", Token: sign(token.Claims{User: "bob", Channel: "q"}, life)})
	n.Move(cfg, noNets)
	if code, _ := p.Disconnected(); code != int(wire.DisconnectExpired) {
		t.Errorf("closed with %d", code)
	}
	expectClosing(t, plain, int(ws.StatusPolicyViolation))
	for {
		push := sub.Push()
		if push.Unsubscribe != nil {
			if push.Channel != "q" || push.Unsubscribe.Code != uint32(wire.UnsubscribeExpired) {
				t.Errorf("%v", push)
			}
			break
		}
	}
}

// TestMoveUnconnected checks that a client that has not sent its connect command moves, and can send it then; or is closed, if
// it does not in time.
func TestMoveUnconnected(t *testing.T) {
	cfg := quietly(openConfig())
	n := roomtest.Start(t, cfg, noNets)
	late := wstest.OpenProtocol(t, n.Addr, wire.EndpointPath, true)
	wstest.Eventually(t, "it is open", func() bool { return connsOf(n) == 1 })
	n = n.Move(cfg, noNets)
	if r := late.Connect(&protocol.ConnectRequest{}); r.Client == "" {
		t.Errorf("%v", r)
	}
	never := wstest.OpenProtocol(t, n.Addr, wire.EndpointPath, false)
	wstest.Eventually(t, "it is open", func() bool { return connsOf(n) == 2 })
	cfg.ConnectTimeout = time.Second
	n.Move(cfg, noNets)
	if code, _ := never.Disconnected(); code != int(wire.DisconnectStale) {
		t.Errorf("closed with %d", code)
	}
}

func connsOf(n *roomtest.Node) (count int) {
	for range n.Server.Conns() {
		count++
	}
	return count
}

// TestMovePartialBatch moves a client in the middle of a message with many commands, whose replies it does not read yet.
// It gets each reply once, in order.
func TestMovePartialBatch(t *testing.T) {
	cfg := quietly(openConfig())
	nc := netpoll.Config{MaxQueue: 64 << 10, SendBuffer: 4096}
	n := roomtest.Start(t, cfg, nc)
	for range 16 {
		n.Hub.Publish("r", engine.Message{Op: ws.OpText, Data: []byte(strings.Repeat("x", 1000))}, nil)
	}
	forEncodings(t, func(t *testing.T, enc wire.Encoding) {
		p := wstest.OpenProtocol(t, n.Addr, wire.EndpointPath, enc == wire.Protobuf)
		if err := p.Conn.(*net.TCPConn).SetReadBuffer(32 << 10); err != nil {
			t.Fatal(err)
		}
		p.Connect(&protocol.ConnectRequest{})
		var all []*protocol.Command
		const first, count = 100, 40
		for i := range count {
			all = append(all, &protocol.Command{Id: uint32(first + i), History: &protocol.HistoryRequest{Channel: "r", Limit: -1}})
		}
		if err := p.Say(all...); err != nil {
			t.Fatal(err)
		}
		wstest.Eventually(t, "the client does not read", func() bool {
			for c := range n.Server.Conns() {
				if c.Crowded() {
					return true
				}
			}
			return false
		})
		for range 2 {
			n = n.Move(cfg, nc)
		}
		for i := range count {
			r, err := p.Next()
			if err != nil || r.Id != uint32(first+i) || len(r.History.GetPublications()) != 16 {
				t.Fatalf("reply %d: %.100v, %v", i, r, err)
			}
		}
		p.Conn.Close()
	})
}

// TestMoveWaitingSender moves a plain client whose message waits until its room has space.
func TestMoveWaitingSender(t *testing.T) {
	cfg := quietly(openConfig())
	cfg.MaxUnswept = 1000
	n := roomtest.Start(t, cfg, noNets)
	c := wstest.ConnectPath(t, n.Addr, "/r")
	wstest.Eventually(t, "it is a member", func() bool { return n.Hub.Stats().Members == 1 })
	r := n.Hub.Existing("r")
	if !r.TryAcquire(1000) {
		t.Fatal("the room is busy from the start")
	}
	for i := range 3 {
		c.Send(0x81, fmt.Sprint(i))
	}
	wstest.Eventually(t, "the message waits", func() bool { return n.Hub.Stats().Waiting == 1 })
	n.Move(cfg, noNets)
	for i := range 3 {
		c.Expect(0x81, fmt.Sprint(i))
	}
}
