package room_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/golang-jwt/jwt/v5"

	"webim/netpoll/wstest"
	"webim/room/budget"
	"webim/room/cost"
	"webim/room/engine"
	"webim/room/engine/memory"
	"webim/room/shares"
	"webim/room/slowmode"
	"webim/room/wire"
)

// How the stocks of the table are exhausted, and what bounds a connection.

func exhaustRefusals(t *testing.T, w *budgetWorld) {
	c := w.as(t, attacker, "ann")
	c.say(t, "%s", strings.Repeat("{\"id\":2,\"publish\":{\"channel\":\"r\",\"data\":1}}\n", 2*sayings+4))
	for got := ""; got != "close 3509"; {
		if got = c.reply(t); strings.HasPrefix(got, "close") && got != "close 3509" {
			t.Fatal(got)
		}
	}
}

// closedBy sends a message as a user, or before any connect command.
func closedBy(user, message string, code int) func(*testing.T, *budgetWorld) {
	return func(t *testing.T, w *budgetWorld) {
		c := w.from(t, attacker, wire.EndpointPath, noDeflate)
		if user != "" {
			c = w.as(t, attacker, user)
		}
		c.say(t, "%s", message)
		if got := c.reply(t); got != fmt.Sprint("close ", code) {
			t.Errorf("%s, want %d", got, code)
		}
	}
}

func exhaustConns(t *testing.T, w *budgetWorld) {
	for range 2 {
		w.as(t, attacker, "ann")
	}
	c := w.from(t, attacker, wire.EndpointPath, noDeflate)
	c.say(t, `{"id":1,"connect":{"token":%q}}`, forge(t, jwt.MapClaims{"sub": "ann"}))
	if got := c.reply(t); got != "close 3504" {
		t.Errorf("the third: %s", got)
	}
}

// exhaustAddress comes by a proxy, for loopback itself has no such bound.
func exhaustAddress(t *testing.T, w *budgetWorld) {
	come := func(addr string) int {
		r, err := wstest.Dial(t, w.addr).TryHandshake("/r", "X-Forwarded-For: "+addr)
		if err != nil {
			t.Fatal(err)
		}
		return r.StatusCode
	}
	for i, want := range []int{101, 101, 503} {
		if got := come("192.0.2.7"); got != want {
			t.Errorf("connection %d of the address: %d, want %d", i+1, got, want)
		}
	}
	if got := come("192.0.2.8"); got != 101 {
		t.Errorf("another address: %d", got)
	}
}

func exhaustControls(t *testing.T, w *budgetWorld) {
	c := w.from(t, attacker, "/r", noDeflate)
	for range 500 {
		if c.send(ws.OpPong, "x") != nil {
			break // closed already
		}
	}
	c.Wait()
	for {
		op, p, err := c.read()
		if err != nil || op == ws.OpClose {
			if err != nil || p[0] != 1008>>8 || p[1] != 1008&0xff {
				t.Errorf("%x, %v", p, err)
			}
			return
		}
	}
}

// exhaustRooms joins rooms of its own until one is refused.
func exhaustRooms(t *testing.T, w *budgetWorld) {
	a, made := w.as(t, attacker, "ann"), 0
	for ; made < 60; made++ {
		if a.commands(t, fmt.Sprintf(`"subscribe":{"channel":"anns %d"}`, made))[0] == 106 {
			break
		}
	}
	if made == 0 || made > 20 {
		t.Errorf("a user made %d of 60 rooms", made)
	}
	for _, c := range []*client{w.as(t, attacker, "colleague"), w.as(t, neighbour, "")} {
		if got := c.commands(t, `"subscribe":{"channel":"another"}`); got[0] != 0 {
			t.Errorf("others: %v", got)
		}
	}
}

// exhaustState writes entries until one is refused; package chat does so by its calls.
func exhaustState(t *testing.T, w *budgetWorld) {
	write := func(user string, n int) (refused error) {
		w.hub.Shares().StateOf(budget.User(user)).Put(engine.Entry{Key: engine.Key{Table: engine.TableMine, Of: user, Name: fmt.Sprint(n)}, Value: []byte("{}")}, func(_ uint64, err error) { refused = err })
		return refused
	}
	n := 0
	for ; n < 1000 && write("ann", n) == nil; n++ {
	}
	if err := write("ann", n); err != shares.ErrFull || n == 0 || n > 100 {
		t.Errorf("after %d entries: %v", n, err)
	}
	if err := write("colleague", 0); err != nil {
		t.Errorf("another user: %v", err)
	}
}

// exhaustHistories says much in many rooms.
func exhaustHistories(t *testing.T, w *budgetWorld) {
	b := w.as(t, neighbour, "")
	if got := b.commands(t, `"publish":{"channel":"others","data":"kept"}`); got[0] != 0 {
		t.Fatal(got)
	}
	a := w.as(t, attacker, "ann")
	for i := range 60 {
		if got := a.commands(t, fmt.Sprintf(`"publish":{"channel":"anns %d","data":%q}`, i%30, strings.Repeat("x", 10_000)))[0]; got != 0 {
			t.Fatal(got)
		}
	}
	b.say(t, `{"id":9,"history":{"channel":"others","limit":10}}`)
	if got := b.reply(t); !strings.Contains(got, "kept") {
		t.Errorf("the history of another room: %s", got)
	}
	if used := w.hub.Engine().(*memory.Engine).Stats().Bytes; used > 300_000 {
		t.Errorf("%d bytes are remembered", used)
	}
}

// exhaustKeys publishes with ever new keys; package chat does so by its calls.
func exhaustKeys(t *testing.T, w *budgetWorld) {
	say := func(user, key string) (err error) {
		w.hub.Engine().Publish("r", engine.Message{Op: ws.OpText, Data: []byte("x"), Key: user + key, Payer: budget.User(user)}, func(_ engine.Position, e error) { err = e })
		return err
	}
	if err := say("colleague", "mine"); err != nil {
		t.Fatal(err)
	}
	for i := range 1000 {
		if err := say("ann", fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := say("colleague", "mine"); err != engine.ErrRepeated {
		t.Errorf("another user's message is said twice: %v", err)
	}
}

// exhaustSlowMode speaks in more slow rooms than the table of slow mode has places for.
// The neighbour, who spoke before, still has to wait.
func exhaustSlowMode(t *testing.T, w *budgetWorld) {
	w.set("slow", `{"slow":3600}`)
	b, hello := w.as(t, neighbour, ""), `"publish":{"channel":"slow","data":"hello"}`
	if got := b.commands(t, hello, hello); fmt.Sprint(got) != fmt.Sprint([]int{0, int(wire.ErrSlowMode)}) {
		t.Fatalf("the neighbour's two messages: %v", got)
	}
	for i := range 2 * slowmode.MaxEntries {
		k := slowmode.Key{Room: "slow", User: fmt.Sprint("guest ", i)}
		if _, err := w.hub.SlowMode().Pass(k, cost.PayerOf("", netip.MustParseAddr(attacker)), time.Hour, ""); err != nil {
			t.Fatal(err)
		}
	}
	if got := w.as(t, attacker, "colleague").commands(t, hello, hello); fmt.Sprint(got) != fmt.Sprint([]int{0, int(wire.ErrSlowMode)}) {
		t.Errorf("another user of the address: %v", got)
	}
	if got := b.commands(t, hello)[0]; got != int(wire.ErrSlowMode) {
		t.Errorf("the neighbour need not wait any more: %d", got)
	}
	if n := w.hub.SlowMode().Len(); n > slowmode.MaxEntries {
		t.Errorf("%d entries are kept", n)
	}
}
