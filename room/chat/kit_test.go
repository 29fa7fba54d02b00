package chat

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/centrifugal/centrifuge-go"
	"go.uber.org/goleak"

	"webim/netpoll"
	"webim/netpoll/wstest"
	"webim/room"
	"webim/room/engine"
	"webim/room/engine/memory"
	"webim/room/mux"
	"webim/room/policy"
	"webim/room/rpc"
	"webim/room/token"
	"webim/room/wire"
)

func TestMain(m *testing.M) {
	if ln, err := net.Listen("tcp", "127.0.0.1:0"); err == nil {
		ln.Close() // opens the descriptors of Go's own poller
	}
	wstest.Main(m,
		// The client library waits its timeout for replies that cannot come.
		goleak.IgnoreAnyFunction("github.com/centrifugal/centrifuge-go.(*Client).sendAsync.func1"))
}

const secret = "a secret of thirty-two bytes or more"

// house is a server with the calls of this package.
type house struct {
	t      testing.TB
	hub    *room.Hub
	addr   string
	signer *token.Signer
}

// newEngine makes the engine of a server. TestOnNATS replaces it.
var newEngine = func(testing.TB) engine.Engine { return memory.New(memory.Limits{}) }

// build starts a server until the test ends. By default, everybody may talk in every room, there are no
// rates, and tokens name the moderators.
func build(t testing.TB, rc room.Config) *house {
	t.Helper()
	key := token.Key{Secret: []byte(secret)}
	verifier, err := token.New(token.Config{Keys: []token.Key{key}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(verifier.Close)
	signer, err := token.NewSigner(key)
	if err != nil {
		t.Fatal(err)
	}
	rc.Tokens, rc.Anonymous, rc.Calls, rc.FollowUp, rc.Personal = verifier, true, rpc.Calls{Caller: New()}, FollowUp, true
	if rc.Options == nil {
		rc.Options = policy.Patterns{{Match: "*", Options: talkative()}}.Options
	}
	if rc.Rates == (policy.Rates{}) {
		rc.Rates, rc.UserRates = policy.NoRates, policy.NoRates
	}
	if rc.Engine == nil {
		rc.Engine = newEngine(t)
	}
	h := &house{t: t, hub: room.NewHub(rc), signer: signer}
	handler := mux.New(h.hub)
	s := netpoll.New(netpoll.Config{PingInterval: -1, Logger: slog.New(slog.DiscardHandler)}, handler)
	handler.Start(s)
	addr, err := s.Listen(netpoll.Listener{Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	h.addr = addr.String()
	t.Cleanup(func() {
		h.hub.Stop()
		if n := s.Stats().Panics; n != 0 {
			t.Errorf("%d callbacks panicked", n)
		}
	})
	wstest.Serve(t, s, netpoll.ErrServerClosed)
	return h
}

// engine returns the engine of the server in a form that has called done when a method returns.
func (h *house) engine() waiting { return waiting{h.hub.Engine()} }

type waiting struct{ engine.Engine }

func (w waiting) History(name string, part engine.Span, done func(engine.History, error)) {
	over := make(chan struct{})
	w.Engine.History(name, part, func(got engine.History, err error) { done(got, err); close(over) })
	<-over
}

func (w waiting) Get(k engine.Key, done func(engine.Entry, error)) {
	over := make(chan struct{})
	w.Engine.Get(k, func(e engine.Entry, err error) { done(e, err); close(over) })
	<-over
}

func (w waiting) Put(e engine.Entry, done func(uint64, error)) {
	over := make(chan struct{})
	w.Engine.Put(e, func(version uint64, err error) { done(version, err); close(over) })
	<-over
}

// talkative are the options of a room in which everybody may talk.
func talkative() policy.Options {
	return policy.Options{
		History:     engine.Retention{Messages: 1000, Bytes: 1 << 20, Age: time.Hour},
		Recoverable: true, Recover: true, Presence: true, Rights: policy.OpenRights(),
	}
}

// person is a user with one connection of the protocol's client library.
type person struct {
	*centrifuge.Client
	h      *house
	name   string
	events chan string // "ROOM: " and the result of show for publications; "disconnected CODE REASON"; "left ROOM CODE"

	stash []string // events that nextIn has skipped

	mu   sync.Mutex
	subs map[string]*centrifuge.Subscription
}

// come connects a user, in JSON; "" is anonymous. Roles are those of the token.
func (h *house) come(name string, roles ...string) *person {
	h.t.Helper()
	return h.comeAs(wire.JSON, name, roles...)
}

func (h *house) comeAs(enc wire.Encoding, name string, roles ...string) *person {
	h.t.Helper()
	p := h.start(enc, name, roles...)
	p.expect("connected")
	return p
}

// clientConfig is how all clients of the tests connect.
func clientConfig() centrifuge.Config {
	return centrifuge.Config{ReadTimeout: wstest.Patience, WriteTimeout: wstest.Patience, HandshakeTimeout: wstest.Patience,
		MinReconnectDelay: time.Millisecond, MaxReconnectDelay: 20 * time.Millisecond}
}

// guest connects a guest from an address of the loopback network. The house needs
// room.Config.Guests.
func (h *house) guest(name, address string) *person {
	h.t.Helper()
	c := clientConfig()
	c.Data = fmt.Appendf(nil, `{"guest":%q}`, name)
	c.NetDialContext = (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}).DialContext
	p := h.connect(wire.JSON, name, c)
	p.expect("connected")
	return p
}

// start is come for a client that may be refused.
func (h *house) start(enc wire.Encoding, name string, roles ...string) *person {
	h.t.Helper()
	c := clientConfig()
	if name != "" {
		text, err := h.signer.Sign(token.Claims{User: name, Roles: roles, Info: json.RawMessage(fmt.Sprintf(`{"name":%q}`, strings.ToUpper(name)))})
		if err != nil {
			h.t.Fatal(err)
		}
		c.Token = text
	}
	return h.connect(enc, name, c)
}

func (h *house) connect(enc wire.Encoding, name string, c centrifuge.Config) *person {
	h.t.Helper()
	p := &person{h: h, name: name, events: make(chan string, 1000), subs: map[string]*centrifuge.Subscription{}}
	if url := "ws://" + h.addr + wire.EndpointPath; enc == wire.Protobuf {
		p.Client = centrifuge.NewProtobufClient(url, c)
	} else {
		p.Client = centrifuge.NewJsonClient(url, c)
	}
	p.OnConnected(func(centrifuge.ConnectedEvent) { p.events <- "connected" })
	p.OnDisconnected(func(e centrifuge.DisconnectedEvent) { p.events <- fmt.Sprintf("disconnected %d %s", e.Code, e.Reason) })
	p.OnPublication(func(e centrifuge.ServerPublicationEvent) { p.events <- e.Channel + ": " + show(e.Publication) })
	h.t.Cleanup(p.Close)
	if err := p.Connect(); err != nil {
		h.t.Fatal(err)
	}
	return p
}

// show formats a publication as the tests write it: offset, author, data, and the tags in order.
func show(p centrifuge.Publication) string {
	var b strings.Builder
	if p.Offset != 0 {
		fmt.Fprint(&b, p.Offset, " ")
	}
	if p.Info != nil {
		b.WriteString(p.Info.User + " ")
	}
	b.Write(p.Data)
	for _, name := range slices.Sorted(maps.Keys(p.Tags)) {
		b.WriteString(" " + name + "=" + p.Tags[name])
	}
	return b.String()
}

// expect waits for the next events, which must be these in this order.
func (p *person) expect(want ...string) {
	p.h.t.Helper()
	for _, one := range want {
		if got := p.next(); got != one {
			p.h.t.Fatalf("%s is told %q, want %q", p.name, got, one)
		}
	}
}

// next returns the next event.
func (p *person) next() string {
	p.h.t.Helper()
	select {
	case got := <-p.events:
		return got
	case <-time.After(wstest.Patience):
		p.h.t.Fatalf("%s is told nothing within %v", p.name, wstest.Patience)
		return ""
	}
}

// nextIn returns the next event in a room, because the order of events of different rooms may vary.
func (p *person) nextIn(name string) string {
	p.h.t.Helper()
	in := func(event string) bool { return strings.HasPrefix(event, name+": ") }
	for i := 0; ; i++ {
		if i == len(p.stash) {
			p.stash = append(p.stash, p.next())
		}
		if in(p.stash[i]) {
			event := p.stash[i]
			p.stash = slices.Delete(p.stash, i, i+1)
			return event
		}
	}
}

// join subscribes to a room. Its publications become events "ROOM: …".
func (p *person) join(name string, how ...centrifuge.SubscriptionConfig) {
	p.h.t.Helper()
	if err := p.tryJoin(name, how...); err != "" {
		p.h.t.Fatalf("%s cannot join %s: %s", p.name, name, err)
	}
}

// tryJoin returns "" or an error such as "103 permission denied".
func (p *person) tryJoin(name string, how ...centrifuge.SubscriptionConfig) string {
	p.h.t.Helper()
	sub, err := p.NewSubscription(name, how...)
	if err != nil {
		p.h.t.Fatal(err)
	}
	outcome := make(chan string, 10)
	sub.OnSubscribed(func(centrifuge.SubscribedEvent) { outcome <- "" })
	sub.OnError(func(e centrifuge.SubscriptionErrorEvent) { outcome <- problem(e.Error) })
	sub.OnUnsubscribed(func(e centrifuge.UnsubscribedEvent) {
		outcome <- fmt.Sprint(e.Code, " ", e.Reason)
		p.events <- fmt.Sprintf("left %s %d", name, e.Code)
	})
	sub.OnPublication(func(e centrifuge.PublicationEvent) { p.events <- name + ": " + show(e.Publication) })
	if err := sub.Subscribe(); err != nil {
		p.h.t.Fatal(err)
	}
	p.mu.Lock()
	p.subs[name] = sub
	p.mu.Unlock()
	select {
	case got := <-outcome:
		return got
	case <-time.After(wstest.Patience):
		p.h.t.Fatalf("%s gets no answer from %s within %v", p.name, name, wstest.Patience)
		return ""
	}
}

// problem formats an error of the library as "CODE message".
func problem(err error) string {
	var e *centrifuge.Error
	if errors.As(err, &e) {
		return fmt.Sprint(e.Code, " ", e.Message)
	}
	return err.Error()
}

// call makes a call; the error is as problem has it, "" for none.
func (p *person) call(method, data string) (result, fault string) {
	p.h.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), wstest.Patience)
	defer cancel()
	r, err := p.RPC(ctx, method, []byte(data))
	if err != nil {
		return "", problem(err)
	}
	return string(r.Data), ""
}

// must makes a call that must succeed.
func (p *person) must(method, data string) string {
	p.h.t.Helper()
	result, fault := p.call(method, data)
	if fault != "" {
		p.h.t.Fatalf("%s %s: %s", method, data, fault)
	}
	return result
}

// refused makes a call that must fail with the given code.
func (p *person) refused(code wire.ErrorCode, method, data string) {
	p.h.t.Helper()
	result, fault := p.call(method, data)
	if !strings.HasPrefix(fault, fmt.Sprint(uint32(code), " ")) {
		p.h.t.Fatalf("%s %s: result %s, error %q, want error %d", method, data, result, fault, code)
	}
}
