package api

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/centrifugal/protocol"

	"webim/netpoll/wstest"
	"webim/room"
	"webim/room/apikey"
	"webim/room/engine"
	"webim/room/engine/memory"
	"webim/room/policy"
	"webim/room/roomtest"
	"webim/room/token"
	"webim/room/wire"
)

// The test kit: a node with its API, and clients of both dialects.

func TestMain(m *testing.M) { wstest.Main(m) }

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
var rooms = policy.Patterns{
	{Match: "bare*", Options: policy.Options{Rights: policy.OpenRights()}},
	{Match: "closed*", Options: policy.Options{Presence: true}},
	{Match: "bin*", Options: policy.Options{Rights: policy.OpenRights(), Binary: true, History: engine.Retention{Messages: 10, Bytes: 1 << 10, Age: time.Hour}}},
	{Match: "*", Options: policy.Options{
		History:     engine.Retention{Messages: 10, Bytes: 1 << 20, Age: time.Hour},
		Recoverable: true, Presence: true, Notices: true, Rights: policy.OpenRights()}},
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
	h, err := New(Config{Hub: hub, Guard: guardOf(t, apikey.Key{Name: "other", Secret: "another key"}, apikey.Key{Name: "test", Secret: key}),
		MaxBody: 64 << 10, MaxChannels: 4, MaxCommands: 20, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(h)
	t.Cleanup(web.Close)
	return &node{t, hub, addr, web.URL, sign}
}

// guardOf returns a guard that knows the host chat.example.com.
func guardOf(t testing.TB, keys ...apikey.Key) *apikey.Guard {
	t.Helper()
	g, err := apikey.NewGuard(keys, []string{"chat.example.com"})
	if err != nil {
		t.Fatal(err)
	}
	return g
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
	*wstest.Protocol
	t  *testing.T
	id string
}

// plain joins a room in the plain dialect.
func (n *node) plain(room string) *client {
	n.t.Helper()
	c := n.dialPlain("/" + room)
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

// dialPlain opens a connection in the plain dialect.
func (n *node) dialPlain(path string) *client {
	n.t.Helper()
	return &client{Protocol: &wstest.Protocol{Client: wstest.ConnectPath(n.t, n.ws, path)}, t: n.t}
}

// text reads the next message of a plain client.
func (c *client) text() string {
	c.t.Helper()
	_, b, err := c.ReadMessage()
	if err != nil {
		c.t.Fatal(err)
	}
	return string(b)
}

// dial opens a connection in the Centrifuge dialect. encoding is a subprotocol; "" means JSON.
func (n *node) dial(encoding string) *client {
	n.t.Helper()
	return &client{Protocol: wstest.OpenProtocol(n.t, n.ws, wire.EndpointPath, encoding == wire.SubprotocolProtobuf), t: n.t}
}

// chat connects with a token of the user, "" for none, in one of the encodings.
func (n *node) chat(user string, encoding string) *client {
	n.t.Helper()
	return n.chatAs(token.Claims{User: user, Info: json.RawMessage(`{"name":"N"}`)}, encoding)
}

func (n *node) chatAs(claims token.Claims, encoding string) *client {
	n.t.Helper()
	c, connect := n.dial(encoding), &protocol.ConnectRequest{}
	if claims.User != "" {
		text, err := n.sign.Sign(claims)
		if err != nil {
			n.t.Fatal(err)
		}
		connect.Token = text
	}
	c.id = c.Connect(connect).Client
	return c
}

func (c *client) command(cmd *protocol.Command) {
	c.t.Helper()
	if err := c.Say(cmd); err != nil {
		c.t.Fatal(err)
	}
}

// next reads one reply or push, but no ping.
func (c *client) next() *protocol.Reply {
	c.t.Helper()
	r, err := c.Next()
	if err != nil {
		c.t.Fatal(err)
	}
	return r
}

// closing reads until the connection is closed, and returns its code and reason.
func (c *client) closing() string {
	c.t.Helper()
	code, reason := c.Disconnected()
	return fmt.Sprintf("closed: %d %s", code, reason)
}

// subscribe subscribes to a room, which must succeed.
func (c *client) subscribe(room string) *protocol.SubscribeResult {
	c.t.Helper()
	return c.Subscribe(&protocol.SubscribeRequest{Channel: room})
}

// pub reads a publication in a room.
func (c *client) pub(room string) *protocol.Publication {
	c.t.Helper()
	push := c.Push()
	if push.Channel != room || push.Pub == nil {
		c.t.Fatalf("not a publication in %s: %+v", room, push)
	}
	return push.Pub
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
	c.Send(0x81, text)
}

func itoa(n uint64) string { return strconv.FormatUint(n, 10) }

// hubSubscribe sends a subscribe order without the API, as fast as possible.
func (n *node) hubSubscribe(user, name string) {
	done := make(chan error, 1)
	n.hub.Control().Send(engine.ControlMessage{Kind: engine.ControlSubscribe, To: engine.Target{User: user}, Room: name}, func(err error) { done <- err })
	if err := <-done; err != nil {
		n.t.Error(err)
	}
}
