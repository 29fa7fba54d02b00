package room_test

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"webim/netpoll"
	"webim/netpoll/wstest"
	"webim/room"
	"webim/room/budget"
	"webim/room/engine"
	"webim/room/policy"
)

// slow lets a few things through and then, for the time of a test, nothing.
func slow(n int) budget.Rate { return budget.Rate{N: n, Per: time.Hour} }

// Joining is bounded by no less than the rooms of a connection.
func TestJoinRateFitsRooms(t *testing.T) {
	for rooms, want := range map[int]int{0: 256, 100: 256, 300: 300} {
		if c := (room.Config{MaxRoomsPerConn: rooms}).WithDefaults(); c.Rates.Join != (budget.Rate{N: want, Per: time.Minute}) {
			t.Errorf("%d rooms: %+v", rooms, c.Rates.Join)
		}
	}
	c := room.Config{Rates: policy.Rates{Join: budget.Rate{N: 1, Per: time.Second}, Send: budget.Rate{N: 3}, RPC: budget.Unlimited}, UserRates: policy.NoRates}.WithDefaults()
	if c.Rates.Join.N != 128 || c.Rates.Send != (budget.Rate{N: 3, Per: 10 * time.Second}) || c.Rates.RPC.N != -1 || c.UserRates.Join.N != -1 {
		t.Errorf("%+v, %+v", c.Rates, c.UserRates)
	}
}

// A client that comes back joins all its rooms at once, as SDKs do, again and
// again; with all bounds at their defaults.
func TestHonestClientIsNotTooFast(t *testing.T) {
	v, _ := tokens(t)
	rooms := policy.Patterns{{Match: "*", Options: policy.Options{Rights: policy.OpenRights(), Presence: true}}}
	n := startWith(t, newHub(room.Config{Tokens: v, Anonymous: true, Options: rooms.Options}), netpoll.Config{}, nil)
	var all []string
	for i := range 128 {
		all = append(all, fmt.Sprintf(`"subscribe":{"channel":"r%d"}`, i))
	}
	want := make([]int, len(all))
	for _, tok := range []string{"", forge(t, jwt.MapClaims{"sub": "ann"})} {
		for range 5 {
			c := n.chat()
			c.commands(t, fmt.Sprintf(`"connect":{"token":%q}`, tok))
			if got := c.commands(t, all...); !slices.Equal(got, want) {
				t.Fatalf("token %.5q: %v", tok, got)
			}
			if got := c.commands(t, `"presence":{"channel":"r0"}`, `"publish":{"channel":"r0","data":1}`); got[0]+got[1] != 0 {
				t.Fatal(got)
			}
			c.Conn.Close()
		}
	}
	if st := n.hub.Stats(); st.TooFast != (room.TooFast{}) || st.Cut != 0 {
		t.Errorf("%+v", st)
	}
}

// Each command counts in its class, and only there.
func TestClasses(t *testing.T) {
	one := policy.Rates{Join: slow(2), Send: slow(2), Typing: slow(2), Read: slow(2), RPC: slow(2), Other: slow(2)}
	rooms := policy.Patterns{{Match: "*", Options: policy.Options{Rights: policy.OpenRights(), Presence: true, History: engine.Retention{Messages: 10, Bytes: 1000, Age: time.Hour}}}}
	cfg := room.Config{Anonymous: true, Options: rooms.Options, Rates: one, MaxRoomsPerConn: 2}
	for _, c := range []struct {
		command string
		want    string
		refused func(room.TooFast) int64
	}{
		{`"subscribe":{"channel":"r%d"}`, "[0 0 111]", func(f room.TooFast) int64 { return f.Join }},
		{`"publish":{"channel":"r%d","data":1}`, "[0 0 111]", func(f room.TooFast) int64 { return f.Send }},
		{`"history":{"channel":"r%d"}`, "[0 0 111]", func(f room.TooFast) int64 { return f.Read }},
		{`"presence":{"channel":"r%d"}`, "[0 0 111]", func(f room.TooFast) int64 { return f.Read }},
		{`"presence_stats":{"channel":"r%d"}`, "[0 0 111]", func(f room.TooFast) int64 { return f.Read }},
		{`"rpc":{"method":"m%d"}`, "[108 111 111]", func(f room.TooFast) int64 { return f.RPC - 1 }}, // connecting was one too
		{`"unsubscribe":{"channel":"r%d"}`, "[0 0 111]", func(f room.TooFast) int64 { return f.Other }},
		{`"ping":{},"x":%d`, "[0 0 111]", func(f room.TooFast) int64 { return f.Other }},
		{`"of_a_later_version":{"x":%d}`, "[104 104 111]", func(f room.TooFast) int64 { return f.Other }},
	} {
		t.Run(c.command, func(t *testing.T) {
			n := start(t, cfg, netpoll.Config{})
			cl := n.chat()
			cl.commands(t, `"connect":{}`)
			var all []string
			for i := range 3 {
				all = append(all, fmt.Sprintf(c.command, i))
			}
			if got := fmt.Sprint(cl.commands(t, all...)); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
			if st := n.hub.Stats(); c.refused(st.TooFast) != 1 {
				t.Errorf("%+v", st)
			}
		})
	}
}

// A flood is refused, told, and then cut; its neighbours notice nothing.
func TestFloodIsCut(t *testing.T) {
	rooms := policy.Patterns{{Match: "*", Options: policy.Options{Rights: policy.OpenRights()}}}
	n := start(t, room.Config{Anonymous: true, Options: rooms.Options, Rates: policy.Rates{Send: slow(5)}, Refusals: slow(10)}, netpoll.Config{})
	neighbour, flood := n.chat(), n.chat()
	neighbour.commands(t, `"connect":{}`, `"subscribe":{"channel":"r"}`)
	flood.commands(t, `"connect":{}`)
	publish := slices.Repeat([]string{`"publish":{"channel":"r","data":"x"}`}, 15)
	want := append(make([]int, 5), slices.Repeat([]int{111}, 10)...)
	if got := flood.commands(t, publish...); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	for range 5 {
		got := neighbour.reply(t)
		for line := range strings.SplitSeq(got, "\n") {
			if field(t, line, "push", "pub", "data") != "x" {
				t.Errorf("the neighbour got %s", line)
			}
		}
		if n := strings.Count(got, "\n") + 1; n == 5 {
			break
		}
	}
	flood.say(t, `{"id":1,"publish":{"channel":"r","data":"x"}}`)
	if got := flood.reply(t); got != "close 3509" {
		t.Errorf("the sixteenth: %s", got)
	}
	if got := neighbour.commands(t, `"ping":{}`, `"publish":{"channel":"r","data":"mine"}`); got[0]+got[1] != 0 {
		t.Errorf("the neighbour: %v", got)
	}
	if st := n.hub.Stats(); st.TooFast.Send != 11 || st.Cut != 1 {
		t.Errorf("%+v", st)
	}
}

// The connections of a user share, in both dialects, and coming back gains
// nothing; other users have their own.
func TestUserRates(t *testing.T) {
	v, _ := tokens(t)
	rooms := policy.Patterns{{Match: "*", Options: policy.Options{Rights: policy.OpenRights(), History: engine.Retention{Messages: 10, Bytes: 1000, Age: time.Hour}}}}
	n := start(t, room.Config{Tokens: v, Options: rooms.Options, Rates: policy.DefaultRates, UserRates: policy.Rates{Send: slow(4)}}, netpoll.Config{})
	open := func(user string) *client {
		c := n.chat()
		c.commands(t, fmt.Sprintf(`"connect":{"token":%q}`, forge(t, jwt.MapClaims{"sub": user})))
		return c
	}
	const publish = `"publish":{"channel":"r","data":1}`
	a, b := open("ann"), open("ann")
	if got := fmt.Sprint(a.commands(t, publish), b.commands(t, publish, publish)); got != "[0] [0 0]" {
		t.Error(got)
	}
	if got := n.plainLetters(t, "r", forge(t, jwt.MapClaims{"sub": "ann"})); got != "jm" {
		t.Errorf("the fourth, in the plain dialect: %s", got)
	}
	if got := n.plainLetters(t, "r", forge(t, jwt.MapClaims{"sub": "ann"})); got != "j-" {
		t.Errorf("the fifth, in the plain dialect: %s", got)
	}
	if got := fmt.Sprint(a.commands(t, publish), b.commands(t, publish), open("bob").commands(t, publish)); got != "[111] [111] [0]" {
		t.Error(got)
	}
	a.leave(t)
	b.leave(t)
	wstest.Eventually(t, "they have left", func() bool { return n.hub.Meter().Counts().Conns <= 1 })
	if got := open("ann").commands(t, publish); got[0] != 111 {
		t.Errorf("coming back: %v", got)
	}
}

// An account is forgotten once nobody is there and its buckets are full.
func TestAccountsEnd(t *testing.T) {
	v, _ := tokens(t)
	rooms := policy.Patterns{{Match: "*", Options: policy.Options{Rights: policy.OpenRights()}}}
	rate := budget.Rate{N: 100, Per: 500 * time.Millisecond}
	n := start(t, room.Config{Tokens: v, Options: rooms.Options, Rates: policy.DefaultRates, UserRates: policy.Rates{Send: rate, RPC: rate}}, netpoll.Config{})
	for i := range 3 {
		c := n.chat()
		c.commands(t, fmt.Sprintf(`"connect":{"token":%q}`, forge(t, jwt.MapClaims{"sub": "ann"})), `"publish":{"channel":"r","data":1}`)
		if got := n.hub.Stats().Users; got != 1 {
			t.Errorf("%d users in round %d", got, i)
		}
		c.leave(t)
	}
	wstest.Eventually(t, "the account is forgotten", func() bool { return n.hub.Stats().Users == 0 })
}

// A user has so many connections, of both dialects together.
func TestMaxConnsPerUser(t *testing.T) {
	v, _ := tokens(t)
	rooms := policy.Patterns{{Match: "*", Options: policy.Options{Rights: policy.OpenRights()}}}
	n := start(t, room.Config{Tokens: v, Anonymous: true, Options: rooms.Options, MaxConnsPerUser: 2}, netpoll.Config{})
	tok := forge(t, jwt.MapClaims{"sub": "ann"})
	connect := func(tok string) (*client, string) {
		c := n.chat()
		c.say(t, `{"id":1,"connect":{"token":%q}}`, tok)
		return c, c.reply(t)
	}
	first, _ := connect(tok)
	n.join("/r?token="+tok, noDeflate)
	wstest.Eventually(t, "both count", func() bool { return n.hub.Meter().Counts().Conns == 2 })
	if _, got := connect(tok); got != "close 3504" {
		t.Errorf("the third: %s", got)
	}
	if _, status, err := n.dial(new(net.Dialer), "/r?token="+tok, noDeflate); err != nil || status != 429 {
		t.Errorf("the third, plain: %d, %v", status, err)
	}
	for range 3 {
		if _, got := connect(""); strings.HasPrefix(got, "close") {
			t.Errorf("anonymous: %s", got)
		}
	}
	if st := n.hub.Stats(); st.OverUser != 2 || st.Users != 1 {
		t.Errorf("%+v", st)
	}
	first.leave(t)
	wstest.Eventually(t, "one has left", func() bool { return n.hub.Meter().Counts().Conns == 1 })
	if _, got := connect(tok); strings.HasPrefix(got, "close") {
		t.Errorf("in the place of one that left: %s", got)
	}
}

// TestInputBeforeConnect checks that before its connect command a client has an eighth of the rate of its
// input, and that its address pays, too, although the client has no payer yet.
func TestInputBeforeConnect(t *testing.T) {
	const rate = 16 << 10
	large := `{"id":2,"ping":{},"x":"` + strings.Repeat("x", rate/4) + `"}`
	for name, rates := range map[string][2]budget.Rate{
		"connection": {slow(rate), budget.Unlimited},
		"address":    {budget.Unlimited, slow(rate / 64)},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := room.Config{Rates: policy.NoRates, UserRates: policy.NoRates}
			cfg.Rates.Input, cfg.UserRates.Input = rates[0], rates[1]
			n := start(t, cfg, netpoll.Config{})
			if name == "connection" {
				c := n.chat()
				c.say(t, `{"id":1,"connect":{}}`)
				c.reply(t)
				c.say(t, "%s", large)
				if got := c.reply(t); n.hub.Stats().TooFast.Input != 0 {
					t.Errorf("after the connect command: %s, %+v", got, n.hub.Stats().TooFast)
				}
			}
			n.chat().say(t, "%s", large)
			wstest.Eventually(t, "the input exceeds the rate", func() bool { return n.hub.Stats().TooFast.Input > 0 })
		})
	}
}
