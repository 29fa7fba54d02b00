package room_test

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/centrifugal/protocol"
	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/netpoll/wstest"
	"webim/room"
	"webim/room/engine"
	"webim/room/internal/timers"
	"webim/room/policy"
	"webim/room/token"
	"webim/room/wire"
)

const secret = "a secret of thirty-two bytes or more"

// tokens are a judge of tokens, and what makes them.
func tokens(t testing.TB) (*token.Verifier, func(c token.Claims, alive time.Duration) string) {
	t.Helper()
	v, err := token.New(token.Config{Keys: []token.Key{{Secret: []byte(secret)}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	s, err := token.NewSigner(token.Key{Secret: []byte(secret)})
	if err != nil {
		t.Fatal(err)
	}
	return v, func(c token.Claims, alive time.Duration) string {
		if alive != 0 {
			c.Expires = time.Now().Add(alive).Unix()
		}
		text, err := s.Sign(c)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
}

// chat opens a connection of the centrifuge dialect in JSON; nothing is said.
func (n *node) chat() *client {
	n.t.Helper()
	return n.join(wire.EndpointPath, noDeflate)
}

// say sends a line, and reply reads one message, a line or more.
func (c *client) say(t testing.TB, format string, args ...any) {
	t.Helper()
	if err := c.send(ws.OpText, fmt.Sprintf(format, args...)); err != nil {
		t.Fatal(err)
	}
}

func (c *client) reply(t testing.TB) string {
	t.Helper()
	defer c.Wait()()
	op, p, err := c.read()
	for err == nil && string(p) == "{}" { // a ping
		op, p, err = c.read()
	}
	if err != nil {
		t.Fatal(err)
	}
	if op == ws.OpClose {
		return fmt.Sprintf("close %d", ws.StatusCode(uint16(p[0])<<8|uint16(p[1])))
	}
	return string(p)
}

// field reads one field of a JSON reply by its path.
func field(t testing.TB, reply string, path ...string) any {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(reply), &v); err != nil {
		t.Fatalf("%v: %s", err, reply)
	}
	for _, name := range path {
		m, _ := v.(map[string]any)
		v = m[name]
	}
	return v
}

// Who a connection is, is judged after the upgrade, so that browsers see the
// code.
func TestConnectToken(t *testing.T) {
	v, sign := tokens(t)
	good := sign(token.Claims{User: "ann"}, time.Hour)
	revoked := &token.Revoked{}
	if err := revoked.RevokeUser("bob", time.Now().Add(time.Hour), time.Time{}); err != nil {
		t.Fatal(err)
	}
	n := start(t, room.Config{Tokens: v, Revoked: revoked}, netpoll.Config{})
	open := start(t, room.Config{Tokens: v, Anonymous: true}, netpoll.Config{})
	for _, c := range []struct {
		name, token string
		at          *node
		want        string // how the reply begins
	}{
		{"good", good, n, `{"id":1,"connect":{"client":"`},
		{"good, where anonymous may too", good, open, `{"id":1,"connect":{"client":"`},
		{"none", "", n, "close 3500"},
		{"none, where anonymous may", "", open, `{"id":1,"connect":{"client":"`},
		{"expired", sign(token.Claims{User: "ann"}, -time.Hour), n, `{"id":1,"error":{"code":109,`},
		{"revoked", sign(token.Claims{User: "bob"}, time.Hour), n, "close 3500"},
		{"broken", good[:len(good)-2], n, "close 3500"},
		{"broken, where anonymous may", good[:len(good)-2], open, "close 3500"},
		{"no token", "hello", n, "close 3500"},
		{"of a subscription", sign(token.Claims{User: "ann", Channel: "r"}, time.Hour), n, "close 3500"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cl := c.at.chat()
			cl.say(t, `{"id":1,"connect":{"token":%q}}`, c.token)
			if got := cl.reply(t); !strings.HasPrefix(got, c.want) {
				t.Errorf("got %s, want %s", got, c.want)
			}
			cl.Conn.Close()
		})
	}
}

// The rooms that a token names are in the connect reply, and what is published
// meanwhile comes behind it; recovery works for them as for others.
func TestServerSideRooms(t *testing.T) {
	v, sign := tokens(t)
	rooms := policy.Patterns{{Match: "*", Options: policy.Options{History: engine.Retention{Messages: 100, Bytes: 1 << 20, Age: time.Hour}, Recoverable: true, Presence: true}}}
	n := start(t, room.Config{Tokens: v, Options: rooms.Options}, netpoll.Config{})
	tok := sign(token.Claims{User: "ann", Channels: []string{"a", "b"}}, time.Hour)
	stop := make(chan struct{})
	said := make(chan int)
	go func() {
		for k := 0; ; {
			select {
			case <-stop:
				said <- k
				return
			default:
				if n.say("a", fmt.Sprint(k)) == nil { // it is refused if the sweeps are behind
					k++
				}
			}
		}
	}()
	for range 50 {
		c := n.chat()
		c.say(t, `{"id":1,"connect":{"token":%q}}`, tok)
		got := c.reply(t)
		if !strings.HasPrefix(got, `{"id":1,"connect":`) {
			t.Fatalf("the first that comes is %s", got)
		}
		at := field(t, got, "connect", "subs", "a", "offset")
		if field(t, got, "connect", "subs", "b", "recoverable") != true {
			t.Fatalf("room b is missing: %s", got)
		}
		first, _ := at.(float64)
		for range 3 {
			pub := c.reply(t)
			if o, _ := field(t, pub, "push", "pub", "offset").(float64); o != first+1 {
				t.Fatalf("behind offset %v comes %s", first, pub)
			}
			first++
		}
		c.Conn.Close()
	}
	close(stop)
	total := <-said
	c := n.chat()
	c.say(t, `{"id":1,"connect":{"token":%q,"subs":{"a":{"recover":true,"epoch":%q,"offset":%d}}}}`, tok, epochOf(t, n, "a"), total-2)
	got := c.reply(t)
	pubs, _ := field(t, got, "connect", "subs", "a", "publications").([]any)
	if len(pubs) != 2 || field(t, got, "connect", "subs", "a", "recovered") != true {
		t.Errorf("recovering two: %s", got)
	}
	c.Conn.Close()
	wstest.Eventually(t, "all have left", func() bool { return n.hub.Stats().Members == 0 })
}

func epochOf(t testing.TB, n *node, room string) (epoch string) {
	n.hub.Engine().History(room, engine.Span{}, func(h engine.History, _ error) { epoch = h.Top.Epoch })
	return epoch
}

// A token runs out: the client that brings a new one stays, the other goes.
func TestTokenRunsOut(t *testing.T) {
	v, sign := tokens(t)
	n := start(t, room.Config{Tokens: v, ExpiredGrace: time.Millisecond}, netpoll.Config{})
	claims := token.Claims{User: "ann"}
	stays, goes, other := n.chat(), n.chat(), n.chat()
	for _, c := range []*client{stays, goes, other} {
		c.say(t, `{"id":1,"connect":{"token":%q}}`, sign(claims, 4*time.Second))
		if got := c.reply(t); field(t, got, "connect", "expires") != true {
			t.Fatal(got)
		}
	}
	stays.say(t, `{"id":2,"refresh":{"token":%q}}`, sign(claims, time.Hour))
	if got := stays.reply(t); field(t, got, "refresh", "expires") != true {
		t.Fatal(got)
	}
	other.say(t, `{"id":2,"refresh":{"token":%q}}`, sign(token.Claims{User: "bob"}, time.Hour))
	if got := other.reply(t); got != "close 3500" {
		t.Errorf("the token of another user: %s", got)
	}
	if got := goes.reply(t); got != "close 3005" {
		t.Errorf("without a new token: %s", got)
	}
	stays.say(t, `{"id":3,"ping":{}}`)
	if got := stays.reply(t); got != `{"id":3,"ping":{}}` {
		t.Errorf("with a new token: %s", got)
	}
}

// present counts who is in a room, by the engine.
func present(h *room.Hub, name string) (n int) {
	h.Engine().Members(name, math.MaxInt, func(all []engine.Author, _ error) { n = len(all) })
	return n
}

// A token cannot join a JSON connection to a room of bytes: it could not be told
// what is said there.
func TestServerSideRoomOfBytes(t *testing.T) {
	v, sign := tokens(t)
	c := quietly(openConfig())
	c.Tokens = v
	n := start(t, c, netpoll.Config{})
	text := sign(token.Claims{User: "ann", Channels: []string{"bin:x"}}, time.Hour)
	connect := &protocol.Command{Connect: &protocol.ConnectRequest{Token: text}}
	if got := n.open(wire.Protobuf).Ask(connect); got.Connect.GetSubs()["bin:x"] == nil {
		t.Errorf("Protobuf: %v", got)
	}
	k := n.open(wire.JSON)
	if err := k.Say(&protocol.Command{Id: 1, Connect: connect.Connect}); err != nil {
		t.Fatal(err)
	}
	k.expectClose(t, wire.DisconnectInappropriateProtocol)
}

// However often tokens that are good for a year are brought, the list of
// deadlines does not grow with them.
func TestTokensLeaveNoDeadlines(t *testing.T) {
	v, sign := tokens(t)
	n := start(t, room.Config{Tokens: v, ConnectTimeout: time.Hour, PingInterval: -1}, netpoll.Config{})
	tok := sign(token.Claims{User: "ann"}, 365*24*time.Hour)
	c := n.chat()
	c.say(t, `{"id":1,"connect":{"token":%q}}`, tok)
	c.reply(t)
	for i := range 100 {
		c.say(t, `{"id":%d,"refresh":{"token":%q}}`, i+2, sign(token.Claims{User: "ann"}, 365*24*time.Hour+time.Duration(i)*time.Minute))
		if got := c.reply(t); field(t, got, "refresh", "expires") != true {
			t.Fatal(got)
		}
	}
	all := n.hub.Timers().Times()
	if len(all) > 3 {
		t.Errorf("%d deadlines for one connection", len(all))
	}
	for _, at := range all {
		if ahead := time.Until(at); ahead > timers.LookAgain && ahead < 50*time.Minute {
			t.Errorf("a deadline in %v", ahead)
		}
	}
}
