package room_test

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/centrifugal/protocol"

	"webim/netpoll"
	"webim/netpoll/wstest"
	"webim/room/backend"
	"webim/room/engine"
	"webim/room/token"
	"webim/room/wire"
)

// asked is a backend whose replies come from the test.
type asked struct {
	hooks     []backend.Hook
	questions chan question
}

type question struct {
	backend.Request
	answer func(backend.Reply, error)
}

func newAsked(hooks ...backend.Hook) *asked { return &asked{hooks, make(chan question, 16)} }

func (a *asked) Handles(k backend.Hook) bool        { return slices.Contains(a.hooks, k) }
func (a *asked) Asks(k backend.Hook, _ string) bool { return a.Handles(k) }
func (a *asked) Ask(q backend.Request, done func(backend.Reply, error)) {
	a.questions <- question{q, done}
}
func (a *asked) Disconnected(backend.DisconnectEvent) {}
func (a *asked) Headers() []string                    { return nil }

// next returns the next request, which must come.
func (a *asked) next(t testing.TB) question {
	t.Helper()
	select {
	case q := <-a.questions:
		return q
	case <-time.After(wstest.Patience):
		t.Fatal("the backend gets no request")
		return question{}
	}
}

// TestConnectTimeoutWaitsForTheBackend checks that a client that waits for the backend has sent its connect
// command in time, however long that takes. If the command gets an error, the client must send another one
// in time.
func TestConnectTimeoutWaitsForTheBackend(t *testing.T) {
	for _, refused := range []bool{false, true} {
		c, b := quietly(openConfig()), newAsked(backend.HookConnect)
		c.Backend, c.ConnectTimeout = b, time.Nanosecond
		n := start(t, c, netpoll.Config{})
		k := n.chat()
		k.say(t, `{"id":1,"connect":{}}`)
		q := b.next(t)
		n.hub.Timers().Run() // the timeout has passed
		n.hub.Timers().Run()
		if refused {
			q.answer(backend.Reply{}, wire.ErrInternal)
			if got := k.reply(t); field(t, got, "error", "code") != 100.0 {
				t.Errorf("got %s", got)
			}
			if got := k.reply(t); got != "close 3502" {
				t.Errorf("got %s", got)
			}
		} else {
			q.answer(backend.Reply{User: "ann"}, nil)
			if got := k.reply(t); field(t, got, "connect", "client") == nil {
				t.Errorf("got %s", got)
			}
		}
		k.Conn.Close()
	}
}

// TestPendingSubscribesCount checks that rooms about which the backend has not decided yet count as rooms of
// the connection.
func TestPendingSubscribesCount(t *testing.T) {
	c, b := quietly(openConfig()), newAsked(backend.HookSubscribe)
	c.Backend, c.MaxRoomsPerConn = b, 2
	n := start(t, c, netpoll.Config{})
	k := n.connect(wire.JSON)
	for i, room := range []string{"a", "b"} {
		if err := k.Say(&protocol.Command{Id: uint32(100 + i), Subscribe: &protocol.SubscribeRequest{Channel: room}}); err != nil {
			t.Fatal(err)
		}
	}
	full := &protocol.Command{Subscribe: &protocol.SubscribeRequest{Channel: "c"}}
	k.expectError(t, wire.ErrLimitExceeded, full)
	b.next(t).answer(backend.Reply{}, wire.ErrPermissionDenied)
	if r, err := k.Next(); err != nil || r.Id != 100 || r.Error.GetCode() != uint32(wire.ErrPermissionDenied) {
		t.Errorf("a: %v, %v", r, err)
	}
	b.next(t).answer(backend.Reply{}, nil)
	if r, err := k.Next(); err != nil || r.Id != 101 || r.Subscribe == nil {
		t.Errorf("b: %v, %v", r, err)
	}
	full.Id = 200
	if err := k.Say(full); err != nil {
		t.Fatal(err)
	}
	b.next(t).answer(backend.Reply{}, nil)
	if r, err := k.Next(); err != nil || r.Id != 200 || r.Subscribe == nil {
		t.Errorf("c, as a is not to be: %v, %v", r, err)
	}
}

// TestUnsubscribingWhileTheBackendIsAsked checks that a client that unsubscribes before the backend has
// replied is not in the room after the reply; and that it is there once if it has subscribed again.
func TestUnsubscribingWhileTheBackendIsAsked(t *testing.T) {
	for i := range 4 { // by the reply, or by the rights if the backend gives no answer
		again, noAnswer := i%2 == 1, error(nil)
		if i > 1 {
			noAnswer = backend.ErrNoAnswer
		}
		c, b := quietly(openConfig()), newAsked(backend.HookSubscribe)
		c.Backend = b
		n := start(t, c, netpoll.Config{})
		k := n.connect(wire.JSON)
		commands := []*protocol.Command{
			{Id: 2, Subscribe: &protocol.SubscribeRequest{Channel: "r"}},
			{Id: 3, Subscribe: &protocol.SubscribeRequest{Channel: "r"}},
			{Id: 4, Unsubscribe: &protocol.UnsubscribeRequest{Channel: "r"}},
		}
		want := map[uint32]wire.ErrorCode{2: wire.ErrInternal, 3: wire.ErrAlreadySubscribed, 4: 0}
		if again {
			commands = append(commands, &protocol.Command{Id: 5, Subscribe: &protocol.SubscribeRequest{Channel: "r"}})
			want[5] = 0
		}
		if err := k.Say(commands...); err != nil {
			t.Fatal(err)
		}
		got := map[uint32]wire.ErrorCode{}
		take := func(count int) {
			for len(got) < count {
				r, err := k.Next()
				if err != nil {
					t.Fatalf("behind %v: %v", got, err)
				}
				got[r.Id] = wire.ErrorCode(r.Error.GetCode())
			}
		}
		take(2) // the replies that need no decision
		for range len(commands) - 2 {
			b.next(t).answer(backend.Reply{}, noAnswer)
		}
		take(len(want))
		if !maps.Equal(got, want) {
			t.Errorf("the commands' errors are %v, want %v", got, want)
		}
		if got, want := n.hub.Stats().Members, len(commands)-3; got != want {
			t.Errorf("%d members, want %d", got, want)
		}
		k.Conn.Close()
	}
}

// TestExpiryIsToldToThoseWhoCanRefresh checks that a client without a token is never told when its
// connection expires. Its SDK would ask the application for a token, get none, and close for good. A client
// with a token is told each new expiry.
func TestExpiryIsToldToThoseWhoCanRefresh(t *testing.T) {
	c, b := quietly(openConfig()), newAsked(backend.HookConnect, backend.HookRefresh)
	verifier, sign := tokens(t)
	c.Backend, c.Tokens = b, verifier
	n := start(t, c, netpoll.Config{})
	soon, later := time.Now().Add(-time.Second), time.Now().Add(time.Hour)
	forEncodings(t, func(t *testing.T, enc wire.Encoding) {
		guest := n.open(enc)
		if err := guest.Say(&protocol.Command{Id: 1, Connect: &protocol.ConnectRequest{}}); err != nil {
			t.Fatal(err)
		}
		b.next(t).answer(backend.Reply{User: "ann", Expires: soon}, nil)
		if r, err := guest.Next(); err != nil || r.Connect == nil || r.Connect.Expires || r.Connect.Ttl != 0 {
			t.Fatalf("connecting by the hook: %v, %v", r, err)
		}
		n.hub.Timers().Run() // it has expired
		b.next(t).answer(backend.Reply{Expires: later}, nil)
		if p := guest.Push(); p.Refresh == nil || p.Refresh.Expires || p.Refresh.Ttl != 0 {
			t.Errorf("the hook has refreshed it: %v", p)
		}
		holder := n.open(enc)
		if r := holder.Ask(&protocol.Command{Connect: &protocol.ConnectRequest{Token: sign(token.Claims{User: "bob"}, time.Hour)}}); !r.Connect.GetExpires() {
			t.Fatalf("connecting with a token: %v", r)
		}
		for user, k := range map[string]*protocolClient{"ann": guest, "bob": holder} {
			n.hub.Control().Send(engine.ControlMessage{Kind: engine.ControlRefresh, To: engine.Target{User: user}, Expires: later}, func(err error) {
				if err != nil {
					t.Error(err)
				}
			})
			if p := k.Push(); p.Refresh == nil || p.Refresh.Expires != (user == "bob") || (p.Refresh.Ttl > 0) != (user == "bob") {
				t.Errorf("the server API has refreshed %s: %v", user, p)
			}
		}
	})
}

// TestRosterDecidesWithoutTheBackend checks that if the backend gives no answer about a $ room, the roster
// of the room decides, and the backend is not asked again.
func TestRosterDecidesWithoutTheBackend(t *testing.T) {
	c, b := quietly(openConfig()), newAsked(backend.HookSubscribe)
	v, sign := tokens(t)
	c.Tokens, c.Backend = v, b
	n := start(t, c, netpoll.Config{})
	listed := engine.Entry{Key: engine.Key{Table: engine.TableMember, Of: "$r", Name: "ann"}, Value: []byte("{}"), Version: engine.AnyVersion}
	n.hub.Engine().Put(listed, func(_ uint64, err error) {
		if err != nil {
			t.Fatal(err)
		}
	})
	for user, want := range map[string]uint32{"ann": 0, "eve": uint32(wire.ErrPermissionDenied)} {
		k := n.open(wire.JSON)
		if r := k.Ask(&protocol.Command{Connect: &protocol.ConnectRequest{Token: sign(token.Claims{User: user}, time.Hour)}}); r.Connect == nil {
			t.Fatalf("connecting %s: %v", user, r)
		}
		if err := k.Say(&protocol.Command{Id: 100, Subscribe: &protocol.SubscribeRequest{Channel: "$r"}}); err != nil {
			t.Fatal(err)
		}
		b.next(t).answer(backend.Reply{}, backend.ErrNoAnswer)
		if r, err := k.Next(); err != nil || r.Id != 100 || r.Error.GetCode() != want {
			t.Errorf("%s subscribes: %v, %v, want the error %d", user, r, err, want)
		}
	}
	if len(b.questions) > 0 {
		t.Error("the backend is asked again")
	}
}
