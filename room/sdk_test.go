package room_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/centrifugal/centrifuge-go"

	"webim/netpoll"
	"webim/netpoll/wstest"
	"webim/room/token"
	"webim/room/wire"
)

// The protocol's own client library for Go, as it is, against the server.

// road is a way to a server that a test can cut, or lead to another.
type road struct {
	mu    sync.Mutex
	addr  string
	conns []net.Conn
}

func (r *road) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c, err := new(net.Dialer).DialContext(ctx, network, r.addr)
	if err == nil {
		r.conns = append(r.conns, c)
	}
	return c, err
}

// cut breaks all connections; new ones go to addr.
func (r *road) cut(addr string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.conns {
		c.Close()
	}
	r.addr, r.conns = addr, nil
}

// kit is a client of the library, and what it is told.
type kit struct {
	*centrifuge.Client
	*road
	t      *testing.T
	events chan string
}

func newKit(t *testing.T, addr string, enc wire.Encoding, c centrifuge.Config) *kit {
	t.Helper()
	k := &kit{road: &road{addr: addr}, t: t, events: make(chan string, 1000)}
	c.NetDialContext, c.MinReconnectDelay, c.MaxReconnectDelay = k.dial, time.Millisecond, 20*time.Millisecond
	c.ReadTimeout, c.WriteTimeout, c.HandshakeTimeout = wstest.Patience, wstest.Patience, wstest.Patience
	if url := "ws://webim.test" + wire.EndpointPath; enc == wire.Protobuf {
		k.Client = centrifuge.NewProtobufClient(url, c)
	} else {
		k.Client = centrifuge.NewJsonClient(url, c)
	}
	k.OnConnected(func(e centrifuge.ConnectedEvent) { k.tell("connected") })
	k.OnConnecting(func(e centrifuge.ConnectingEvent) { k.tell("connecting %d", e.Code) })
	k.OnDisconnected(func(e centrifuge.DisconnectedEvent) { k.tell("disconnected %d %s", e.Code, e.Reason) })
	t.Cleanup(k.Close)
	return k
}

func (k *kit) tell(format string, args ...any) { k.events <- fmt.Sprintf(format, args...) }

// expect waits for what the client is told next.
func (k *kit) expect(want ...string) {
	k.t.Helper()
	for _, one := range want {
		select {
		case got := <-k.events:
			if got != one {
				k.t.Fatalf("told %q, want %q", got, one)
			}
		case <-time.After(wstest.Patience):
			k.t.Fatalf("not told %q within %v", one, wstest.Patience)
		}
	}
}

func (k *kit) connect() {
	k.t.Helper()
	if err := k.Connect(); err != nil {
		k.t.Fatal(err)
	}
	k.expect("connecting 0", "connected")
}

// room makes a subscription, whose events are told with its name.
func (k *kit) room(name string, c centrifuge.SubscriptionConfig) *centrifuge.Subscription {
	k.t.Helper()
	s, err := k.NewSubscription(name, c)
	if err != nil {
		k.t.Fatal(err)
	}
	s.OnSubscribed(func(e centrifuge.SubscribedEvent) {
		k.tell("%s: subscribed, recovering %v, recovered %v", name, e.WasRecovering, e.Recovered)
	})
	s.OnUnsubscribed(func(e centrifuge.UnsubscribedEvent) { k.tell("%s: unsubscribed %d", name, e.Code) })
	s.OnError(func(e centrifuge.SubscriptionErrorEvent) { k.tell("%s: %v", name, e.Error) })
	s.OnPublication(func(e centrifuge.PublicationEvent) { k.tell("%s: %s at %d", name, e.Data, e.Offset) })
	s.OnJoin(func(e centrifuge.JoinEvent) { k.tell("%s: joined", name) })
	s.OnLeave(func(e centrifuge.LeaveEvent) { k.tell("%s: left", name) })
	return s
}

func (k *kit) enter(s *centrifuge.Subscription) {
	k.t.Helper()
	if err := s.Subscribe(); err != nil {
		k.t.Fatal(err)
	}
}

// soon is a context for one command.
func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), wstest.Patience)
	t.Cleanup(cancel)
	return ctx
}

func TestSDK(t *testing.T) {
	n := start(t, openConfig(), netpoll.Config{})
	forEncodings(t, func(t *testing.T, enc wire.Encoding) {
		ctx, name := soon(t), "tea "+enc.String()
		ann, bob := newKit(t, n.addr, enc, centrifuge.Config{Name: "test"}), newKit(t, n.addr, enc, centrifuge.Config{EnableCompression: true})
		ann.connect()
		bob.connect()
		tea := ann.room(name, centrifuge.SubscriptionConfig{Recoverable: true, JoinLeave: true})
		ann.enter(tea)
		ann.expect(name+": subscribed, recovering false, recovered false", name+": joined")
		hers := bob.room(name, centrifuge.SubscriptionConfig{})
		bob.enter(hers)
		bob.expect(name + ": subscribed, recovering false, recovered false")
		ann.expect(name + ": joined")
		if p, err := tea.Presence(ctx); err != nil || len(p.Clients) != 2 {
			t.Errorf("presence: %v, %v", p, err)
		}
		if p, err := tea.PresenceStats(ctx); err != nil || p.NumClients != 2 || p.NumUsers != 1 {
			t.Errorf("counts: %v, %v", p, err)
		}
		for i := 1; i <= 5; i++ {
			if _, err := hers.Publish(ctx, fmt.Appendf(nil, `{"n":%d}`, i)); err != nil {
				t.Fatal(err)
			}
			ann.expect(fmt.Sprintf(`%s: {"n":%d} at %d`, name, i, i))
			bob.expect(fmt.Sprintf(`%s: {"n":%d} at %d`, name, i, i))
		}
		h, err := ann.History(ctx, name, centrifuge.WithHistoryLimit(2), centrifuge.WithHistoryReverse(true))
		if err != nil || h.Offset != 5 || len(h.Publications) != 2 || h.Publications[0].Offset != 5 || string(h.Publications[1].Data) != `{"n":4}` || h.Publications[0].Info == nil {
			t.Errorf("history: %v, %v", h, err)
		}
		if h, err = tea.History(ctx, centrifuge.WithHistoryLimit(-1), centrifuge.WithHistorySince(&centrifuge.StreamPosition{Epoch: h.Epoch, Offset: 3})); err != nil || len(h.Publications) != 2 {
			t.Errorf("history since: %v, %v", h, err)
		}
		var refused *centrifuge.Error
		if _, err := ann.RPC(ctx, "none", []byte(`{}`)); err == nil || !asError(err, &refused) || refused.Code != 108 {
			t.Errorf("an unknown RPC: %v", err)
		}
		if err := ann.Send(ctx, []byte(`{}`)); err != nil {
			t.Error(err)
		}
		if err := hers.Unsubscribe(); err != nil {
			t.Error(err)
		}
		bob.expect(name + ": unsubscribed 0")
		ann.expect(name + ": left")
		if err := ann.Disconnect(); err != nil {
			t.Error(err)
		}
		ann.expect("disconnected 0 disconnect called")
	})
}

func asError(err error, target **centrifuge.Error) bool {
	e, ok := err.(*centrifuge.Error)
	*target = e
	return ok
}

// A cut is made good: nothing is lost, doubled or out of order.
func TestSDKRecoversAcrossACut(t *testing.T) {
	n := start(t, openConfig(), netpoll.Config{})
	forEncodings(t, func(t *testing.T, enc wire.Encoding) {
		ctx, name := soon(t), "cut "+enc.String()
		ann, bob := newKit(t, n.addr, enc, centrifuge.Config{}), newKit(t, n.addr, enc, centrifuge.Config{})
		ann.connect()
		bob.connect()
		r := ann.room(name, centrifuge.SubscriptionConfig{Recoverable: true})
		ann.enter(r)
		ann.expect(name + ": subscribed, recovering false, recovered false")
		say := func(i int) {
			t.Helper()
			if _, err := bob.Publish(ctx, name, fmt.Append(nil, i)); err != nil {
				t.Fatal(err)
			}
		}
		said := 0
		for range 5 {
			said++
			say(said)
			ann.expect(fmt.Sprintf("%s: %d at %d", name, said, said))
			ann.cut("127.0.0.1:1") // nobody is there
			for range 3 {
				said++
				say(said)
			}
			ann.cut(n.addr)
			ann.expect("connecting 1")
			ann.expect("connected", name+": subscribed, recovering true, recovered true")
			for i := said - 2; i <= said; i++ {
				ann.expect(fmt.Sprintf("%s: %d at %d", name, i, i))
			}
		}
	})
}

// A server that comes back without its memory has another epoch: the client is
// told that it may have missed something.
func TestSDKIsToldOfARestart(t *testing.T) {
	forEncodings(t, func(t *testing.T, enc wire.Encoding) {
		first := start(t, openConfig(), netpoll.Config{})
		ctx := soon(t)
		ann := newKit(t, first.addr, enc, centrifuge.Config{})
		ann.connect()
		r := ann.room("r", centrifuge.SubscriptionConfig{Recoverable: true})
		ann.enter(r)
		ann.expect("r: subscribed, recovering false, recovered false")
		if _, err := r.Publish(ctx, []byte(`1`)); err != nil {
			t.Fatal(err)
		}
		ann.expect("r: 1 at 1")
		second := start(t, openConfig(), netpoll.Config{})
		ann.road.mu.Lock()
		ann.addr = second.addr
		ann.road.mu.Unlock()
		first.stop()
		ann.expect("connecting 3001", "connected", "r: subscribed, recovering true, recovered false")
		if _, err := r.Publish(ctx, []byte(`2`)); err != nil {
			t.Fatal(err)
		}
		ann.expect("r: 2 at 1")
	})
}

// A hundred rooms at once, and all of them again after a cut.
func TestSDKHundredRooms(t *testing.T) {
	const rooms = 100
	n := start(t, openConfig(), netpoll.Config{})
	forEncodings(t, func(t *testing.T, enc wire.Encoding) {
		ann := newKit(t, n.addr, enc, centrifuge.Config{})
		for i := range rooms {
			ann.enter(ann.room(fmt.Sprint("room ", i), centrifuge.SubscriptionConfig{Recoverable: true}))
		}
		gather := func(format string) {
			t.Helper()
			want := map[string]bool{}
			for i := range rooms {
				want[fmt.Sprintf(format, fmt.Sprint("room ", i))] = true
			}
			for range rooms {
				select {
				case got := <-ann.events:
					if !want[got] {
						t.Fatalf("told %q", got)
					}
					delete(want, got)
				case <-time.After(wstest.Patience):
					t.Fatalf("not told %v", want)
				}
			}
		}
		ann.connect()
		gather("%s: subscribed, recovering false, recovered false")
		ann.cut(n.addr)
		ann.expect("connecting 1", "connected")
		gather("%s: subscribed, recovering true, recovered true")
		ann.Close()
		wstest.Eventually(t, "it has left all", func() bool { return n.hub.Stats().Rooms == 0 })
	})
}

// Tokens: the client brings one, brings the next before it expires, and joins
// what the token names.
func TestSDKTokens(t *testing.T) {
	v, sign := tokens(t)
	c := openConfig()
	c.Anonymous, c.Tokens = false, v
	n := start(t, c, netpoll.Config{})
	forEncodings(t, func(t *testing.T, enc wire.Encoding) {
		asked := make(chan string, 100)
		k := newKit(t, n.addr, enc, centrifuge.Config{GetToken: func(centrifuge.ConnectionTokenEvent) (string, error) {
			asked <- "connection"
			return sign(token.Claims{User: "ann", Info: json.RawMessage(`{"name":"Ann"}`)}, 3*time.Second), nil
		}})
		r := k.room("r", centrifuge.SubscriptionConfig{GetToken: func(e centrifuge.SubscriptionTokenEvent) (string, error) {
			asked <- "subscription"
			return sign(token.Claims{User: "ann", Channel: e.Channel}, 3*time.Second), nil
		}})
		k.enter(r)
		k.connect()
		k.expect("r: subscribed, recovering false, recovered false")
		got := map[string]int{}
		for got["connection"] < 3 || got["subscription"] < 3 {
			select {
			case what := <-asked:
				got[what]++
			case <-time.After(wstest.Patience):
				t.Fatalf("asked for %v", got)
			}
		}
		p, err := r.Presence(soon(t))
		if err != nil || len(p.Clients) != 1 {
			t.Fatalf("presence: %v, %v", p, err)
		}
		for _, who := range p.Clients {
			if who.User != "ann" || string(who.ConnInfo) != `{"name":"Ann"}` {
				t.Errorf("presence: %+v", who)
			}
		}
		if len(k.events) > 0 {
			t.Errorf("told %q while tokens were renewed", <-k.events)
		}
	})
	wrong := newKit(t, n.addr, wire.JSON, centrifuge.Config{Token: "x.y.z"})
	if err := wrong.Connect(); err != nil {
		t.Fatal(err)
	}
	wrong.expect("connecting 0", "disconnected 3500 invalid token")
}
