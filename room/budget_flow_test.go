package room_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gobwas/ws"
	"github.com/golang-jwt/jwt/v5"

	"webim/netpoll/wstest"
	"webim/room/policy"
	"webim/room/wire"
)

// How the flows of the table are exhausted: commands and bytes.

// commandTests exhaust a class of commands: of the connection, then of its user.
func commandTests(c policy.Class, command string) []budgetTest {
	exhaust := func(t *testing.T, w *budgetWorld) {
		first, second := w.as(t, attacker, "ann"), w.as(t, attacker, "ann")
		refused := func(cl *client) (n int) {
			var all []string
			for i := range 30 {
				all = append(all, fmt.Sprintf(command, i))
			}
			for _, code := range cl.commands(t, all...) {
				if code == int(wire.ErrTooManyRequests) {
					n++
				}
			}
			return n
		}
		if n := refused(first); n < 10 || n == 30 {
			t.Errorf("%d of 30 commands were refused", n)
		}
		if n, user := refused(second), w.hub.Config().UserRates.Of(c).N > 0; user != (n == 30) {
			t.Errorf("the user's second connection: %d of 30 commands were refused", n)
		}
		if n := refused(w.as(t, attacker, "bob")); n == 30 {
			t.Error("another user of the address pays, too")
		}
	}
	return []budgetTest{{"connection", ratesOf1(c, 20, none), exhaust}, {"user", ratesOf1(c, none, 20), exhaust}}
}

// exhaustPongs sends pongs that nobody asked for.
func exhaustPongs(t *testing.T, w *budgetWorld) {
	c := w.as(t, attacker, "ann")
	c.say(t, "%s", strings.Repeat("{}\n", 100)+"\n\n")
	c.say(t, "%s", strings.Repeat("{}\n", 50)+`{"id":2,"ping":{}}`)
	if got := field(t, c.reply(t), "error", "code"); got != 111.0 {
		t.Errorf("behind 150 pongs: %v", got)
	}
	c.say(t, "%s", strings.Repeat("{}\n", 200))
	if got := c.reply(t); got != "close 3509" {
		t.Errorf("behind 350 pongs: %s", got)
	}
}

// exhaustInput sends as first, and then looks whether second is read, from the same
// address.
func exhaustInput(first, second string) func(*testing.T, *budgetWorld) {
	return func(t *testing.T, w *budgetWorld) {
		a, b := w.as(t, attacker, first), w.as(t, attacker, second)
		stranger, colleague := w.as(t, neighbour, ""), w.as(t, attacker, "colleague")
		for range 8 { // by far more than the budget: what is not read stays in the socket
			a.say(t, "%s", strings.Repeat(" ", 50<<10)+`{"id":7,"send":{"data":1}}`)
		}
		wstest.Eventually(t, "it is not read", func() bool { return w.s.Stats().Rests > 0 })
		a.say(t, `{"id":8,"ping":{}}`)
		b.say(t, `{"id":8,"ping":{}}`)
		for _, c := range []*client{stranger, colleague} {
			if got := c.commands(t, `"ping":{}`); got[0] != 0 {
				t.Errorf("others: %v", got)
			}
		}
		if w.hub.Config().Rates.Input.N > 0 {
			if got := b.reply(t); !strings.Contains(got, `"ping"`) {
				t.Errorf("the user's other connection: %s", got)
			}
		}
		if in := w.s.Stats().BytesIn; in > 7*50<<10 {
			t.Errorf("%d bytes were read of a budget of 64 KiB, or of 256 KiB", in)
		}
		if w.hub.Stats().TooFast.Input == 0 {
			t.Error("nothing was counted")
		}
	}
}

// exhaustFanout sends small messages to a room of several members.
func exhaustFanout(user string) func(*testing.T, *budgetWorld) {
	return func(t *testing.T, w *budgetWorld) {
		w.joinAll(10, "/crowd", plain)
		publish := fmt.Sprintf(`"publish":{"channel":"crowd","data":%q}`, strings.Repeat("x", 1000))
		a, b := w.as(t, attacker, user), w.as(t, attacker, user)
		one := w.hub.Config().Rates.Fanout.N > 0
		refused := 0
		for range 8 {
			refused += a.commands(t, publish)[0] / 111
		}
		if refused == 0 || refused == 8 {
			t.Errorf("%d of 8 messages to ten members were refused", refused)
		}
		if got := b.commands(t, publish)[0]; (got == 111) == one {
			t.Errorf("another connection: %d", got)
		}
		if got := a.commands(t, `"publish":{"channel":"alone","data":"x"}`)[0]; got != 0 {
			t.Errorf("in a room without members: %d", got)
		}
		if got := w.as(t, attacker, "colleague").commands(t, publish)[0] + w.as(t, neighbour, "").commands(t, publish)[0]; got != 0 {
			t.Errorf("others: %d", got)
		}
		if p := w.from(t, attacker, "/crowd", noDeflate); user == "" {
			if err := p.send(ws.OpText, "lost"); err != nil {
				t.Fatal(err)
			}
			wstest.Eventually(t, "the message is refused in the plain dialect", func() bool { return w.hub.Stats().TooFast.Fanout >= int64(refused)+2 })
		}
	}
}

// fill gives a room a history of so many KiB.
func (n *node) fill(t *testing.T, room string, kib int) {
	t.Helper()
	for range kib {
		if err := n.say(room, strings.Repeat("x", 900)); err != nil {
			t.Fatal(err)
		}
	}
}

// recovers joins a room with all that was said there to be recovered.
func (c *client) recovers(t *testing.T, room string) bool {
	t.Helper()
	c.say(t, `{"id":9,"subscribe":{"channel":%q,"recover":true}}`, room)
	got := c.reply(t)
	all := strings.Count(got, "xxxxxxxxx")
	is := field(t, got, "subscribe", "recovered") == true
	if field(t, got, "subscribe", "was_recovering") != true || is != (all > 0) {
		t.Errorf("recovered %v with %d bytes: %.200s", is, len(got), got)
	}
	return is
}

// exhaustRecovered recovers rooms, and reads a history, until that is too much.
func exhaustRecovered(user string) func(*testing.T, *budgetWorld) {
	return func(t *testing.T, w *budgetWorld) {
		for i := range 15 {
			w.fill(t, fmt.Sprint("old ", i), 30)
		}
		a, b := w.as(t, attacker, user), w.as(t, attacker, user)
		n := 0
		for i := range 15 {
			if a.recovers(t, fmt.Sprint("old ", i)) {
				n++
			}
		}
		if n == 0 || n == 15 {
			t.Errorf("%d of 15 rooms were recovered", n)
		}
		history := `"history":{"channel":"old 0","limit":100}`
		if got := a.commands(t, history)[0]; got != 111 {
			t.Errorf("its history: %d", got)
		}
		if got := b.commands(t, history)[0]; (got == 111) == (w.hub.Config().Rates.Recovered.N > 0) {
			t.Errorf("another connection's history: %d", got)
		}
		if !w.as(t, neighbour, "").recovers(t, "old 1") || !w.as(t, attacker, "colleague").recovers(t, "old 1") {
			t.Error("others do not recover")
		}
	}
}

// exhaustReply asks for more than a reply carries: by a subscribe command, a connect
// command and a history.
func exhaustReply(t *testing.T, w *budgetWorld) {
	w.fill(t, "small", 2)
	w.fill(t, "large", 30)
	c := w.as(t, attacker, "ann")
	if !c.recovers(t, "small") || c.recovers(t, "large") {
		t.Error("the small room is to be recovered, and not the large one")
	}
	if w.hub.Config().MaxReply == 10<<10 {
		c.say(t, `{"id":3,"history":{"channel":"large","limit":100}}`)
		got := c.reply(t)
		if n, top := strings.Count(got, `"offset"`)-1, field(t, got, "history", "offset"); n < 5 || n > 10 || top != 30.0 {
			t.Errorf("a history of %d publications, its top at %v", n, top)
		}
	}
	d := w.from(t, attacker, wire.EndpointPath, noDeflate)
	tok := forge(t, jwt.MapClaims{"sub": "ann", "channels": []string{"small", "large"}})
	d.say(t, `{"id":1,"connect":{"token":%q,"subs":{"small":{"recover":true},"large":{"recover":true}}}}`, tok)
	got := d.reply(t)
	small, large := field(t, got, "connect", "subs", "small", "recovered"), field(t, got, "connect", "subs", "large", "recovered")
	if small != true || large == true {
		t.Errorf("by connect: the small room %v, the large one %v: %.300s", small, large, got)
	}
	if used := w.hub.Meter().Counts().Replies; used != 0 {
		t.Errorf("%d bytes are counted for replies that are made", used)
	}
}
