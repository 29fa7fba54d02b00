package room

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/centrifugal/protocol"
	"github.com/gobwas/ws"
	"github.com/golang-jwt/jwt/v5"

	"webim/netpoll"
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
	return n.join(ChatPath, noDeflate)
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
	if err := revoked.RevokeUser("bob", time.Now(), time.Time{}); err != nil {
		t.Fatal(err)
	}
	n := start(t, Config{Tokens: v, Revoked: revoked}, netpoll.Config{})
	open := start(t, Config{Tokens: v, Anonymous: true}, netpoll.Config{})
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
			cl.c.Close()
		})
	}
}

// The rooms that a token names are in the connect reply, and what is published
// meanwhile comes behind it; recovery works for them as for others.
func TestServerSideRooms(t *testing.T) {
	v, sign := tokens(t)
	rooms := Patterns{{"*", Options{History: Retention{100, 1 << 20, time.Hour}, Recoverable: true, Presence: true}}}
	n := start(t, Config{Tokens: v, Options: rooms.Options}, netpoll.Config{})
	tok := sign(token.Claims{User: "ann", Channels: []string{"a", "b"}}, time.Hour)
	stop := make(chan struct{})
	said := make(chan int)
	go func() {
		k := 0
		for ; ; k++ {
			select {
			case <-stop:
				said <- k
				return
			default:
				n.say("a", fmt.Sprint(k))
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
		c.c.Close()
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
	c.c.Close()
	eventually(t, "all have left", func() bool { return n.hub.Stats().Members == 0 })
}

func epochOf(t testing.TB, n *node, room string) (epoch string) {
	n.hub.Engine().History(room, Span{}, func(h History, _ error) { epoch = h.Top.Epoch })
	return epoch
}

// A token runs out: the client that brings a new one stays, the other goes.
func TestTokenRunsOut(t *testing.T) {
	v, sign := tokens(t)
	n := start(t, Config{Tokens: v, ExpiredGrace: time.Millisecond}, netpoll.Config{})
	claims := token.Claims{User: "ann"}
	stays, goes, other := n.chat(), n.chat(), n.chat()
	for _, c := range []*client{stays, goes, other} {
		c.say(t, `{"id":1,"connect":{"token":%q}}`, sign(claims, 2*time.Second))
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

// A subscription's token: whose it must be, and what happens when it runs out.
func TestSubscriptionToken(t *testing.T) {
	v, sign := tokens(t)
	n := start(t, Config{Tokens: v, ExpiredGrace: time.Millisecond}, netpoll.Config{})
	claims := token.Claims{User: "ann", Channel: "r"}
	for _, c := range []struct {
		name, token, want string
	}{
		{"good", sign(claims, time.Hour), `{"id":2,"subscribe":{"expires":true,`},
		{"expired", sign(claims, -time.Hour), `{"id":2,"error":{"code":109,`},
		{"broken", "x", `{"id":2,"error":{"code":103,`},
		{"another's", sign(token.Claims{User: "bob", Channel: "r"}, time.Hour), "close 3500"},
		{"another room's", sign(token.Claims{User: "ann", Channel: "q"}, time.Hour), "close 3500"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cl := n.chat()
			cl.say(t, "{\"id\":1,\"connect\":{\"token\":%q}}\n{\"id\":2,\"subscribe\":{\"channel\":\"r\",\"token\":%q}}", sign(token.Claims{User: "ann"}, 0), c.token)
			cl.reply(t)
			if got := cl.reply(t); !strings.HasPrefix(got, c.want) {
				t.Errorf("got %s, want %s", got, c.want)
			}
			cl.c.Close()
		})
	}
	c := n.chat()
	c.say(t, `{"id":1,"connect":{"token":%q}}`, sign(token.Claims{User: "ann"}, 0))
	c.reply(t)
	c.say(t, `{"id":2,"subscribe":{"channel":"r","token":%q}}`, sign(claims, 2*time.Second))
	c.reply(t)
	c.say(t, `{"id":3,"sub_refresh":{"channel":"r","token":%q}}`, sign(claims, 3*time.Second))
	if got := c.reply(t); field(t, got, "sub_refresh", "expires") != true {
		t.Error(got)
	}
	if got := c.reply(t); field(t, got, "push", "unsubscribe", "code") != 2501.0 {
		t.Errorf("the token ran out: %s", got)
	}
	c.say(t, `{"id":4,"sub_refresh":{"channel":"r","token":%q}}`, sign(claims, time.Hour))
	if got := c.reply(t); field(t, got, "error", "code") != 103.0 {
		t.Errorf("a new token, too late: %s", got)
	}
}

// A subscription ends when its token is revoked, and the others stay.
func TestRevokedSubscriptionToken(t *testing.T) {
	v, sign := tokens(t)
	n := start(t, Config{Tokens: v, Revoked: &token.Revoked{}}, netpoll.Config{})
	c := n.chat()
	c.say(t, `{"id":1,"connect":{"token":%q}}`, sign(token.Claims{User: "ann"}, 0))
	c.reply(t)
	for i, room := range []string{"r", "q"} {
		c.say(t, `{"id":%d,"subscribe":{"channel":%q,"token":%q}}`, i+2, room, sign(token.Claims{User: "ann", Channel: room, ID: "of-" + room}, time.Hour))
		c.reply(t)
	}
	n.hub.Command(Order{Kind: OrderRevoke, Token: "of-r"}, func(err error) {
		if err != nil {
			t.Error(err)
		}
	})
	if got := c.reply(t); field(t, got, "push", "channel") != "r" || field(t, got, "push", "unsubscribe", "code") != 2000.0 {
		t.Errorf("told %s", got)
	}
	c.say(t, `{"id":4,"subscribe":{"channel":"r","token":%q}}`, sign(token.Claims{User: "ann", Channel: "r", ID: "of-r"}, time.Hour))
	if got := c.reply(t); field(t, got, "error", "code") != 103.0 {
		t.Errorf("again: %s", got)
	}
	if err := n.hub.present("q"); err != 1 {
		t.Errorf("%d are in the other room", err)
	}
}

// What tokens say of a subscription instead of the room's options.
func TestOverridesOfTokens(t *testing.T) {
	v, _ := tokens(t)
	n := start(t, Config{Tokens: v, Options: Patterns{{"*", Options{History: Retention{10, 1 << 10, time.Hour}, Rights: OpenRights()}}}.Options}, netpoll.Config{})
	on := &token.Flag{Value: true}
	for _, c := range []struct {
		override token.Override
		want     bool
	}{{token.Override{}, false}, {token.Override{ForceRecovery: on}, true}, {token.Override{ForcePositioning: on}, true}, {token.Override{JoinLeave: on}, false}} {
		if got := OverrideOf(c.override).of(n.hub.cfg.options("r")).Recoverable; got != c.want {
			t.Errorf("%+v: recoverable %v", c.override, got)
		}
	}
	c := n.chat()
	c.say(t, `{"id":1,"connect":{"token":%q}}`, signed(t, `{"sub":"ann","subs":{"r":{"override":{"force_recovery":{"value":true}}},"q":{}}}`))
	got := c.reply(t)
	if field(t, got, "connect", "subs", "r", "recoverable") != true || field(t, got, "connect", "subs", "q", "recoverable") != nil {
		t.Errorf("connect: %s", got)
	}
	d := n.chat()
	d.say(t, `{"id":1,"connect":{"token":%q}}`, signed(t, `{"sub":"ann"}`))
	d.reply(t)
	d.say(t, `{"id":2,"subscribe":{"channel":"r","recoverable":true,"token":%q}}`, signed(t, `{"sub":"ann","channel":"r","override":{"force_recovery":{"value":true}}}`))
	if got := d.reply(t); field(t, got, "subscribe", "recoverable") != true {
		t.Errorf("subscribe: %s", got)
	}
}

// present counts who is in a room, by the engine.
func (h *Hub) present(room string) (n int) {
	h.engine.Members(room, func(all []Author, _ error) { n = len(all) })
	return n
}

// signed is a token with those claims, as they are.
func signed(t *testing.T, claims string) string {
	t.Helper()
	var m jwt.MapClaims
	if err := json.Unmarshal([]byte(claims), &m); err != nil {
		t.Fatal(err)
	}
	text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, m).SignedString([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// unknownKey is a token of RS256 and kid "x": no key has it, so it is asked for.
const unknownKey = "eyJhbGciOiJSUzI1NiIsImtpZCI6IngiLCJ0eXAiOiJKV1QifQ.eyJzdWIiOiJhbm4ifQ.c2lnbmF0dXJl"

// keyless starts a node whose keys are fetched, from where there are none, when
// answer is called.
func keyless(t *testing.T, c Config, nc netpoll.Config) (n *node, asked chan struct{}, answer func()) {
	t.Helper()
	asked, answered := make(chan struct{}, 100), make(chan struct{})
	keys := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		select {
		case <-answered:
			w.Write([]byte(`{"keys":[]}`))
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(keys.Close)
	keys.Config.SetKeepAlivesEnabled(false) // the node counts descriptors at its end
	v, err := token.New(token.Config{JWKS: keys.URL, Retry: time.Second, Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	v.Start()
	t.Cleanup(v.Close)
	c.Tokens = v
	return start(t, c, nc), asked, sync.OnceFunc(func() { close(answered) })
}

// While the key of a connect command is fetched, the commands behind it wait,
// in the same message or another.
func TestConnectWaitsForKeys(t *testing.T) {
	n, asked, answer := keyless(t, Config{}, netpoll.Config{})
	c := n.chat()
	c.say(t, "{\"id\":1,\"connect\":{\"token\":%q}}\n{\"id\":2,\"ping\":{}}", unknownKey)
	c.say(t, `{"id":3,"ping":{}}`)
	<-asked
	answer()
	if got := c.reply(t); got != "close 3500" && !strings.HasPrefix(got, `{"id":1,"error":{"code":100,`) {
		t.Errorf("a key that does not exist: %s", got)
	}
	c.c.Close()
}

// What waits behind connect commands is counted for all together, as other input
// that cannot be used yet, and bounded; who wants more than that is sent away.
func TestThreatBehindConnect(t *testing.T) {
	const size, most, count = 10_000, 105_000, 15
	n, asked, answer := keyless(t, Config{}, netpoll.Config{MaxUnfinished: most})
	behind := `{"send":{"data":"` + strings.Repeat("x", size) + `"}}`
	<-asked
	var all []*client
	for range count {
		c := n.chat()
		c.say(t, "{\"id\":1,\"connect\":{\"token\":%q}}\n%s", unknownKey, behind)
		all = append(all, c)
	}
	away := func() int64 { return n.s.Stats().Closed[netpoll.OutOfMemory] }
	eventually(t, "all are judged", func() bool {
		st := n.s.Stats()
		return st.MessagesIn == count && st.WorkersBusy == 0 && away() >= count-most/size
	})
	if got := n.s.Stats().Unfinished; got > most || got < size {
		t.Errorf("%d bytes wait", got)
	}
	stay := count - away()
	answer()
	for _, c := range all {
		switch got := c.reply(t); {
		case got == "close 1013":
		case got == "close 3500", strings.HasPrefix(got, `{"id":1,"error":{"code":100,`):
			stay--
		default:
			t.Error(got)
		}
		c.c.Close()
	}
	if stay != 0 {
		t.Errorf("%d more than that were answered", -stay)
	}
	eventually(t, "nothing waits", func() bool { return n.s.Stats().Unfinished == 0 })
}

// What was answered in a message before it is heard before what had to wait.
func TestConnectWaitsBehindAnswers(t *testing.T) {
	v, sign := tokens(t)
	back := newAsked(HookConnect)
	n := start(t, Config{Tokens: v, Backend: back}, netpoll.Config{})
	c := n.chat()
	c.say(t, "{\"id\":1,\"connect\":{\"token\":%q}}\n{\"id\":2,\"connect\":{}}\n{\"id\":3,\"ping\":{}}", sign(token.Claims{User: "ann"}, -time.Hour))
	if got := field(t, c.reply(t), "error", "code"); got != 109.0 {
		t.Errorf("an expired token: %v", got)
	}
	back.next(t).answer(Answer{User: "bob"}, nil)
	if got := c.reply(t); field(t, got, "id") != 2.0 || field(t, got, "connect") == nil {
		t.Errorf("then %s", got)
	}
	if got := c.reply(t); field(t, got, "id") != 3.0 {
		t.Errorf("last %s", got)
	}
}

// A token cannot join a JSON connection to a room of bytes: it could not be told
// what is said there.
func TestServerSideRoomOfBytes(t *testing.T) {
	v, sign := tokens(t)
	c := quietly(chatty())
	c.Tokens = v
	n := start(t, c, netpoll.Config{})
	text := sign(token.Claims{User: "ann", Channels: []string{"bin:x"}}, time.Hour)
	connect := &protocol.Command{Connect: &protocol.ConnectRequest{Token: text}}
	if got := n.open(wire.Protobuf).ask(t, connect); got.Connect.GetSubs()["bin:x"] == nil {
		t.Errorf("Protobuf: %v", got)
	}
	k := n.open(wire.JSON)
	if err := k.say(&protocol.Command{Id: 1, Connect: connect.Connect}); err != nil {
		t.Fatal(err)
	}
	k.expectClose(t, wire.DisconnectInappropriateProtocol)
}

// However often tokens that are good for a year are brought, the list of
// deadlines does not grow with them.
func TestTokensLeaveNoDeadlines(t *testing.T) {
	v, sign := tokens(t)
	n := start(t, Config{Tokens: v, ConnectTimeout: time.Hour, PingInterval: -1}, netpoll.Config{})
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
	n.hub.due.mu.Lock()
	defer n.hub.due.mu.Unlock()
	if k := len(n.hub.due.heap); k > 3 {
		t.Errorf("%d deadlines for one connection", k)
	}
	for _, one := range n.hub.due.heap {
		if ahead := time.Until(one.at); ahead > lookAgain && ahead < 50*time.Minute {
			t.Errorf("a deadline in %v", ahead)
		}
	}
}
