package live

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/centrifugal/protocol"
	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/netpoll/wstest"
	"webim/room"
	"webim/room/apikey"
	"webim/room/engine"
	"webim/room/engine/memory"
	"webim/room/flight"
	"webim/room/mux"
	"webim/room/policy"
	"webim/room/token"
	"webim/room/wire"
)

// The test kit: a node with a feed on a server of its own, and clients of both.

func TestMain(m *testing.M) { wstest.Main(m) }

const key = "the API's key of many bytes"

var secret = token.Key{Secret: []byte("a secret of thirty-two bytes or more")}

type node struct {
	t     *testing.T
	hub   *room.Hub
	feed  *Feed
	main  *netpoll.Server
	inner *netpoll.Server
	addr  string // of main
	feeds string // address of inner
	sign  *token.Signer
}

// start runs a node until the test ends. Figures come at short intervals unless the test sets
// one.
func start(t *testing.T, fc Config, nc, inner netpoll.Config) *node {
	t.Helper()
	return startOn(t, memory.New(memory.Limits{}), fc, nc, inner)
}

// startOn is start with an engine, which may have several nodes.
func startOn(t *testing.T, e engine.Engine, fc Config, nc, inner netpoll.Config) *node {
	t.Helper()
	n := &node{t: t}
	v, err := token.New(token.Config{Keys: []token.Key{secret}})
	n.must(err)
	n.sign, err = token.NewSigner(secret)
	n.must(err)
	rights := policy.Patterns{{Match: "*", Options: policy.Options{Rights: policy.OpenRights(), Presence: true}}}
	flights := flight.New()
	n.hub = room.NewHub(room.Config{Engine: e, Options: rights.Options, Tokens: v, Revoked: &token.Revoked{}, Anonymous: true, Rates: policy.NoRates, UserRates: policy.NoRates, Ended: flights.Answer})
	if fc.Every == 0 {
		fc.Every = 10 * time.Millisecond
	}
	fc.Flights = flights
	fc.Hub, fc.Version, fc.Logger = n.hub, "test", cmp.Or(fc.Logger, slog.New(slog.DiscardHandler))
	fc.Guard, err = apikey.NewGuard([]apikey.Key{{Secret: "another key"}, {Secret: key},
		{Secret: "a limited key", Rights: []apikey.Right{{Method: "publish"}}}, {Secret: "a wide key", Rights: []apikey.Right{{Method: "*", Rooms: "team-*"}}}}, []string{"inside.example.com"})
	n.must(err)
	n.feed, err = New(fc)
	n.must(err)
	nc.PingInterval, inner.PingInterval = -1, -1
	nc.Logger, inner.Logger = fc.Logger, fc.Logger
	nc.NeverOpened = flights.NeverOpened
	dialects := mux.New(n.hub)
	dialects.Record(flights)
	n.main, n.inner = netpoll.New(nc, dialects), netpoll.New(inner, n.feed)
	dialects.Start(n.main)
	n.feed.Start(n.main, n.inner)
	for _, s := range []struct {
		server *netpoll.Server
		addr   *string
	}{{n.main, &n.addr}, {n.inner, &n.feeds}} {
		addr, err := s.server.Listen(netpoll.Listener{Addr: "127.0.0.1:0"})
		n.must(err)
		*s.addr = addr.String()
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), wstest.Patience)
		defer cancel()
		for _, s := range []*netpoll.Server{n.main, n.inner} {
			if err := s.Shutdown(ctx, 0); err != nil {
				t.Errorf("Shutdown: %v", err)
			}
			if n := s.Stats().Panics; n != 0 {
				t.Errorf("%d callbacks panicked", n)
			}
		}
		n.hub.Stop()
		v.Close()
		if len(n.feed.watchers)+n.feed.waiting.Len()+int(n.feed.places.Used()) != 0 {
			t.Errorf("%d watch, in %d places, and %d wait when all is over", len(n.feed.watchers), n.feed.places.Used(), n.feed.waiting.Len())
		}
	})
	return n
}

func (n *node) must(err error) {
	n.t.Helper()
	if err != nil {
		n.t.Fatal(err)
	}
}

// token returns a token with these claims.
func (n *node) token(c token.Claims) string {
	n.t.Helper()
	text, err := n.sign.Sign(c)
	n.must(err)
	return text
}

// client is a WebSocket client of one of the two servers.
type client struct {
	*wstest.Client
	t *testing.T
}

// dialTo opens a WebSocket; status is the HTTP status of a refusal. Each header is a line without its
// end.
func (n *node) dialTo(addr, path string, headers ...string) (c *client, status int) {
	n.t.Helper()
	c = &client{wstest.Dial(n.t, addr), n.t}
	r, err := c.TryHandshake(strings.ReplaceAll(path, " ", "%20"), headers...)
	n.must(err)
	if r.StatusCode != http.StatusSwitchingProtocols {
		return nil, r.StatusCode
	}
	return c, r.StatusCode
}

func (n *node) dial(addr, path string) *client {
	n.t.Helper()
	c, status := n.dialTo(addr, path)
	if c == nil {
		n.t.Fatalf("%s: status %d", path, status)
	}
	return c
}

// watch authenticates a watcher and returns the past figures.
func (n *node) watch() (*client, []Figures) {
	n.t.Helper()
	c := n.dial(n.feeds, FeedPath)
	c.say(`{"key":%q}`, key)
	if greeting := c.read(); greeting.Hello == nil {
		n.t.Fatalf("greeted with %+v", greeting)
	}
	past := c.read()
	if past.Past == nil {
		n.t.Fatalf("the past is %+v", past)
	}
	return c, *past.Past
}

func (c *client) say(format string, args ...any) {
	c.t.Helper()
	c.Send(0x81, fmt.Sprintf(format, args...))
}

// message is any message of the feed.
type message struct {
	Hello   *hello
	Past    *[]Figures
	Now     *Figures
	Largest []roomJSON
	Slowest []clientRoomsJSON // with rooms, to detect rooms where none belong
	Nodes   *nodes
	Trace   *flight.TraceView
	Found   *struct {
		User, Client, Room string
		At                 int64
		All                int
		Connections        []clientRoomsJSON
		Nodes              []nodeCountJSON
		Elsewhere          []elsewhereJSON
		Rooms              []roomNodesJSON
		Ended              []flight.Record
		Missing            bool
	}
}

func (c *client) read() (m message) {
	c.t.Helper()
	m, err := c.tryRead()
	if err != nil {
		c.t.Fatal(err)
	}
	return m
}

func (c *client) tryRead() (m message, err error) {
	op, b, err := c.ReadMessage()
	if err == nil {
		err = json.Unmarshal(b, &m)
	}
	if err != nil || op != ws.OpText {
		err = fmt.Errorf("a message with the opcode %x: %w, %s", op, err, b)
	}
	return m, err
}

// next reads until the condition holds for a message.
func (c *client) next(what string, holds func(message) bool) message {
	c.t.Helper()
	defer c.Wait()()
	for {
		if m, err := c.tryRead(); err != nil {
			c.t.Fatalf("waiting for %s: %v", what, err)
		} else if holds(m) {
			return m
		}
	}
}

// find sends a search and returns the answer.
func (c *client) find(quest string) message {
	c.t.Helper()
	c.say(`{"find":%s}`, quest)
	return c.next("an answer", func(m message) bool { return m.Found != nil })
}

// closed reads to the Close frame and returns its code.
func (c *client) closed() ws.StatusCode {
	c.t.Helper()
	c.Wait()
	for {
		op, b, err := c.ReadMessage()
		if err != nil {
			c.t.Fatal(err)
		}
		if op == ws.OpClose {
			_ = c.Conn.Close()
			code, _ := ws.ParseCloseFrameData(b)
			return code
		}
	}
}

// chat connects in the Centrifuge dialect, joins a room, and returns the client id.
func (n *node) chat(token, room string) (*client, string) {
	n.t.Helper()
	p := wstest.OpenProtocol(n.t, n.addr, wire.EndpointPath, false)
	id := p.Connect(&protocol.ConnectRequest{Token: token}).Client
	p.Subscribe(&protocol.SubscribeRequest{Channel: room})
	return &client{p.Client, n.t}, id
}
