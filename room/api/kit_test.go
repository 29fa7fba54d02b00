package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/centrifugal/protocol"
	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
	"go.uber.org/goleak"

	"webim/netpoll/wstest"
	"webim/room"
	"webim/room/apikey"
	"webim/room/engine"
	"webim/room/engine/memory"
	"webim/room/roomtest"
	"webim/room/token"
	"webim/room/wire"
)

// The test kit: a node with its API, and clients of both dialects.

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	secret = "a secret of thirty-two bytes or more"
	key    = "the API's key"
)

// node is a hub with its server and its API.
type node struct {
	t    *testing.T
	hub  *room.Hub
	ws   string // the address for clients
	http string // the address of the API
	sign *token.Signer
}

// rooms are the rooms of the tests.
var rooms = room.Patterns{
	{Match: "bare*", Options: room.Options{Rights: room.OpenRights()}},
	{Match: "closed*", Options: room.Options{Presence: true}},
	{Match: "bin*", Options: room.Options{Rights: room.OpenRights(), Binary: true, History: engine.Retention{Messages: 10, Bytes: 1 << 10, Age: time.Hour}}},
	{Match: "*", Options: room.Options{
		History:     engine.Retention{Messages: 10, Bytes: 1 << 20, Age: time.Hour},
		Recoverable: true, Presence: true, Notices: true, Rights: room.OpenRights()}},
}

// start runs a node until the test ends. If engine is nil, the node gets a new one.
func start(t *testing.T, engine engine.Engine) *node {
	t.Helper()
	k := token.Key{Secret: []byte(secret)}
	v, err := token.New(token.Config{Keys: []token.Key{k}})
	if err != nil {
		t.Fatal(err)
	}
	sign, err := token.NewSigner(k)
	if err != nil {
		t.Fatal(err)
	}
	if engine == nil {
		engine = memory.New(memory.Limits{})
	}
	hub := room.NewHub(room.Config{Engine: engine, Options: rooms.Options, Tokens: v, Revoked: &token.Revoked{},
		Anonymous: true, Version: "test", MaxPresence: 3, MaxRoomsPerConn: 8})
	addr := roomtest.Serve(t, hub, func(context.Context) {
		if st := hub.Stats(); st.Rooms+st.Members+st.Waiting > 0 || st.Unswept > 0 {
			t.Errorf("left in the hub: %+v", st)
		}
		v.Close()
	})
	h, err := New(Config{Hub: hub, Keys: []apikey.Key{{Name: "other", Secret: "another key"}, {Name: "test", Secret: key}}, Hosts: []string{"chat.example.com"},
		MaxBody: 64 << 10, MaxChannels: 4, MaxCommands: 20, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(h)
	t.Cleanup(web.Close)
	return &node{t, hub, addr, web.URL, sign}
}

// ask sends a request unchanged and returns the status and the body.
func (n *node) ask(verb, path, body string, change func(*http.Request)) (int, string) {
	n.t.Helper()
	r, err := http.NewRequest(verb, n.http+path, strings.NewReader(body))
	if err != nil {
		n.t.Fatal(err)
	}
	r.Header.Set("X-API-Key", key)
	if change != nil {
		change(r)
	}
	client := &http.Client{Timeout: wstest.Patience, Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(r)
	if err != nil {
		n.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		n.t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

// call calls a method; the response must have status 200.
func (n *node) call(method, format string, args ...any) string {
	n.t.Helper()
	status, body := n.ask(http.MethodPost, Prefix+method, fmt.Sprintf(format, args...), nil)
	if status != http.StatusOK {
		n.t.Fatalf("%s: status %d, %s", method, status, body)
	}
	return body
}

// must calls a method that must succeed, and returns its result.
func must[R any](n *node, method, format string, args ...any) (result R) {
	n.t.Helper()
	var got struct {
		Result *R
		Error  any
	}
	body := n.call(method, format, args...)
	if err := json.Unmarshal([]byte(body), &got); err != nil || got.Result == nil || got.Error != nil {
		n.t.Fatalf("%s: %v, %s", method, err, body)
	}
	return *got.Result
}

// ok calls a method that must return an empty result.
func (n *node) ok(method, format string, args ...any) {
	n.t.Helper()
	if got := n.call(method, format, args...); got != `{"result":{}}` {
		n.t.Fatalf("%s: %s", method, got)
	}
}

// client is a connection of a test.
type client struct {
	net.Conn
	t      *testing.T
	binary bool // speaks Protobuf
	id     string
	queue  []*protocol.Reply
}

func (n *node) dial(path, subprotocol string) *client {
	n.t.Helper()
	d := ws.Dialer{Timeout: wstest.Patience}
	if subprotocol != "" {
		d.Protocols = []string{subprotocol}
	}
	conn, _, _, err := d.Dial(context.Background(), "ws://"+n.ws+path)
	if err != nil {
		n.t.Fatal(err)
	}
	_ = conn.SetDeadline(time.Now().Add(wstest.Patience))
	n.t.Cleanup(func() { _ = conn.Close() })
	return &client{Conn: conn, t: n.t, binary: subprotocol == "centrifuge-protobuf"}
}

// plain joins a room as the original page does.
func (n *node) plain(room string) *client {
	n.t.Helper()
	c := n.dial("/"+room, "")
	wstest.Eventually(n.t, "the plain client is in its room", func() bool {
		for _, r := range n.hub.Rooms() {
			if r.Name() == room {
				return r.Len() > 0
			}
		}
		return false
	})
	return c
}

// text reads the next message of a plain client.
func (c *client) text() string {
	c.t.Helper()
	b, err := wsutil.ReadServerText(c)
	if err != nil {
		c.t.Fatal(err)
	}
	return string(b)
}

// chat connects with a token of the user, "" for none, in one of the encodings.
func (n *node) chat(user string, encoding string) *client {
	n.t.Helper()
	return n.chatAs(token.Claims{User: user, Info: json.RawMessage(`{"name":"N"}`)}, encoding)
}

func (n *node) chatAs(claims token.Claims, encoding string) *client {
	n.t.Helper()
	c := n.dial(wire.EndpointPath, encoding)
	connect := &protocol.ConnectRequest{}
	if claims.User != "" {
		text, err := n.sign.Sign(claims)
		if err != nil {
			n.t.Fatal(err)
		}
		connect.Token = text
	}
	c.command(&protocol.Command{Id: 1, Connect: connect})
	r := c.next()
	if r.Connect == nil {
		n.t.Fatalf("connect: %+v", r)
	}
	c.id = r.Connect.Client
	return c
}

func (c *client) command(cmd *protocol.Command) {
	c.t.Helper()
	var err error
	if c.binary {
		var b []byte
		if b, err = protocol.NewProtobufCommandEncoder().Encode(cmd); err == nil {
			err = wsutil.WriteClientBinary(c, b)
		}
	} else {
		var b []byte
		if b, err = json.Marshal(cmd); err == nil {
			err = wsutil.WriteClientText(c, b)
		}
	}
	if err != nil {
		c.t.Fatal(err)
	}
}

// next reads one reply or push, but no ping.
func (c *client) next() *protocol.Reply {
	c.t.Helper()
	for {
		r, closed := c.read()
		if closed != "" {
			c.t.Fatal(closed)
		}
		if r.Id != 0 || r.Push != nil || r.Error != nil {
			return r
		}
	}
}

// read reads one reply or push, or how the connection was closed.
func (c *client) read() (r *protocol.Reply, closed string) {
	c.t.Helper()
	for len(c.queue) == 0 {
		b, op, err := wsutil.ReadServerData(c)
		var end wsutil.ClosedError
		if errors.As(err, &end) {
			return nil, fmt.Sprintf("closed: %d %s", end.Code, end.Reason)
		}
		if err != nil {
			c.t.Fatal(err)
		}
		if (op == ws.OpBinary) != c.binary {
			c.t.Fatalf("a message of type %x", op)
		}
		c.queue = append(c.queue, c.decode(b)...)
	}
	r = c.queue[0]
	c.queue = c.queue[1:]
	return r, ""
}

func (c *client) decode(b []byte) (all []*protocol.Reply) {
	next := protocol.NewJSONReplyDecoder(b).Decode
	if c.binary {
		next = protocol.NewProtobufReplyDecoder(b).Decode
	}
	for {
		r, err := next()
		if r != nil {
			all = append(all, r)
		}
		if err == io.EOF {
			return all
		}
		if err != nil {
			c.t.Fatalf("%v: %q", err, b)
		}
	}
}

// closing reads until the connection is closed, and returns its code and reason.
func (c *client) closing() string {
	c.t.Helper()
	for {
		if _, closed := c.read(); closed != "" {
			return closed
		}
	}
}

// subscribe subscribes to a room, which must succeed.
func (c *client) subscribe(room string) *protocol.SubscribeResult {
	c.t.Helper()
	c.command(&protocol.Command{Id: 2, Subscribe: &protocol.SubscribeRequest{Channel: room}})
	r := c.next()
	if r.Subscribe == nil {
		c.t.Fatalf("subscribe: %+v", r)
	}
	return r.Subscribe
}

// pub reads a publication in a room.
func (c *client) pub(room string) *protocol.Publication {
	c.t.Helper()
	r := c.next()
	if r.Push == nil || r.Push.Channel != room || r.Push.Pub == nil {
		c.t.Fatalf("not a publication in %s: %+v", room, r)
	}
	return r.Push.Pub
}

// recover subscribes to a room with the messages since a position.
func (c *client) recover(room string, since position) {
	c.t.Helper()
	c.command(&protocol.Command{Id: 3, Subscribe: &protocol.SubscribeRequest{
		Channel: room, Recoverable: true, Recover: true, Epoch: since.Epoch, Offset: since.Offset}})
}

// say sends a text as a plain client does.
func (c *client) say(text string) {
	c.t.Helper()
	if err := wsutil.WriteClientText(c, []byte(text)); err != nil {
		c.t.Fatal(err)
	}
}

func itoa(n uint64) string { return strconv.FormatUint(n, 10) }

// hubSubscribe sends a subscribe order without the API, as fast as possible.
func (n *node) hubSubscribe(user, name string) {
	done := make(chan error, 1)
	n.hub.SendControl(engine.ControlMessage{Kind: engine.ControlSubscribe, To: engine.Target{User: user}, Room: name}, func(err error) { done <- err })
	if err := <-done; err != nil {
		n.t.Error(err)
	}
}
