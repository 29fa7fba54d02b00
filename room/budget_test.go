package room_test

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/golang-jwt/jwt/v5"

	"webim/netpoll"
	"webim/room"
	"webim/room/budget"
	"webim/room/engine"
	"webim/room/engine/memory"
	"webim/room/policy"
	"webim/room/rpc"
	"webim/room/wire"
)

// budgetTest exhausts a row of package budget's table, at one level.
type budgetTest struct {
	level   string // connection, user, address; "": there is one only
	cfg     func(c *room.Config, nc *netpoll.Config)
	exhaust func(t *testing.T, w *budgetWorld)
}

// budgetWorld is a server whose budget is exhausted from one address.
type budgetWorld struct{ *node }

// attacker, neighbour and bystanding are addresses: of whoever spends, of another
// client that shares nothing with it, and of the bystander.
const (
	attacker   = "127.0.0.2"
	neighbour  = "127.0.0.3"
	bystanding = "127.0.0.4"
)

// from opens a connection from an address.
func (n *node) from(t testing.TB, addr, path, extensions string) *client {
	t.Helper()
	c, status, err := n.dial(&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(addr)}}, path, extensions)
	if err != nil || status != 101 {
		t.Fatalf("joining %s from %s: %d, %v", path, addr, status, err)
	}
	t.Cleanup(func() { c.Conn.Close() })
	return c
}

// as connects a user, or nobody, from an address.
func (n *node) as(t testing.TB, addr, user string) *client {
	t.Helper()
	c := n.from(t, addr, wire.EndpointPath, noDeflate)
	tok := ""
	if user != "" {
		tok = forge(t, jwt.MapClaims{"sub": user})
	}
	if got := c.commands(t, fmt.Sprintf(`"connect":{"token":%q}`, tok)); got[0] != 0 {
		t.Fatalf("connecting as %q: %v", user, got)
	}
	return c
}

// Each row of the table is exhausted over real sockets, at each level that it has. A
// bystander with an address, a user and a room of its own loses nothing and is refused
// nothing meanwhile.
func TestEveryBudgetIsExhausted(t *testing.T) {
	for _, row := range budget.Table() {
		if row.Package != "room" {
			continue
		}
		all := budgetTests[row.Name]
		if all == nil {
			t.Errorf("no test exhausts %q", row.Name)
		}
		for _, one := range all {
			t.Run(strings.ReplaceAll(strings.TrimSpace(row.Name+" "+one.level), " ", "-"), func(t *testing.T) {
				cfg, nc := openBudgets(t)
				one.cfg(&cfg, &nc)
				w := &budgetWorld{startWith(t, newHub(cfg), nc, nil)}
				by := newBystander(t, w.node)
				one.exhaust(t, w)
				by.check(t)
			})
		}
	}
}

// openBudgets is a server with rooms that remember, and without any bound.
func openBudgets(t *testing.T) (room.Config, netpoll.Config) {
	v, _ := tokens(t)
	rooms := policy.Patterns{{Match: "*", Options: policy.Options{Rights: policy.OpenRights(), Presence: true, Recoverable: true, History: engine.Retention{Messages: 1000, Bytes: 1 << 20, Age: time.Hour}}}}
	return room.Config{Tokens: v, Anonymous: true, Calls: rpc.Calls{Caller: knownCalls{"typing": {Class: policy.ClassTyping}}}, Options: rooms.Options, Rates: policy.NoRates, UserRates: policy.NoRates, Text: policy.TextLimits{Bytes: -1, Graphemes: -1}}, netpoll.Config{}
}

// knownCalls fail at once, and count in their rates.
type knownCalls map[string]rpc.Kind

func (k knownCalls) Knows(method string) (rpc.Kind, bool) {
	kind, known := k[method]
	return kind, known
}

func (knownCalls) Call(*rpc.Call) ([]byte, error) { return nil, wire.ErrNotAvailable }

// aBystander speaks in its own room until it is checked.
type aBystander struct {
	stop chan struct{}
	end  chan error
}

// sayings is how many messages a bystander sends at most: fewer than any budget has.
const sayings = 8

func newBystander(t *testing.T, n *node) *aBystander {
	c := n.as(t, bystanding, "bystander")
	if got := c.commands(t, `"subscribe":{"channel":"its own"}`); got[0] != 0 {
		t.Fatal(got)
	}
	b := &aBystander{make(chan struct{}), make(chan error, 1)}
	go func() { b.end <- b.speak(c) }()
	return b
}

func (b *aBystander) speak(c *client) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	last := false
	for i := 0; ; i++ {
		if i < sayings || last {
			if err := c.send(ws.OpText, fmt.Sprintf(`{"id":%d,"publish":{"channel":"its own","data":"saying %d"}}`, i+10, i)); err != nil {
				return err
			}
			for got := ""; strings.Count(got, "saying")+strings.Count(got, `"publish":{}`) < 2; {
				_, p, err := c.read()
				if got += string(p); err != nil || strings.Contains(got, "error") {
					return fmt.Errorf("saying %d: %s, %v", i, got, err)
				}
			}
		}
		if last {
			return nil
		}
		select {
		case <-b.stop:
			last = true
		case <-tick.C:
		}
	}
}

func (b *aBystander) check(t *testing.T) {
	t.Helper()
	close(b.stop)
	if err := <-b.end; err != nil {
		t.Errorf("the bystander: %v", err)
	}
}

// budgetTests are by the names of the rows.
var budgetTests = map[string][]budgetTest{
	"joining":                       commandTests(policy.ClassJoin, `"subscribe":{"channel":"r%d"}`),
	"sending":                       commandTests(policy.ClassSend, `"publish":{"channel":"r","data":%d}`),
	"typing":                        commandTests(policy.ClassTyping, `"rpc":{"method":"typing","data":{"n":%d}}`),
	"history and presence":          commandTests(policy.ClassRead, `"history":{"channel":"r","limit":%d}`),
	"calls, connecting, new tokens": commandTests(policy.ClassRPC, `"rpc":{"method":"unknown","data":{"n":%d}}`),
	"other commands, unasked pongs": append(commandTests(policy.ClassOther, `"unsubscribe":{"channel":"r%d"}`), budgetTest{"pongs", ratesOf1(policy.ClassOther, 20, none), exhaustPongs}),

	"bytes read and inflated": {
		{"connection", ratesOf1(policy.ClassInput, 64<<10, none), exhaustInput("ann", "ann")},
		{"user", ratesOf1(policy.ClassInput, none, 64<<10), exhaustInput("ann", "ann")},
		{"address", ratesOf1(policy.ClassInput, none, 64<<10), exhaustInput("", "")},
	},
	"bytes sent on: size x members": {
		{"connection", ratesOf1(policy.ClassFanout, 8<<10, none), exhaustFanout("ann")},
		{"user", ratesOf1(policy.ClassFanout, none, 8<<10), exhaustFanout("ann")},
		{"address", ratesOf1(policy.ClassFanout, none, 8<<10), exhaustFanout("")},
		{"connection that joins and leaves", noticedRates(8<<10, none), exhaustNotices("ann")},
		{"user that joins and leaves", noticedRates(none, 8<<10), exhaustNotices("ann")},
		{"address that joins and leaves", noticedRates(none, 8<<10), exhaustNotices("")},
	},
	"bytes recovered, and history": {
		{"connection", ratesOf1(policy.ClassRecovered, 64<<10, none), exhaustRecovered("ann")},
		{"user", ratesOf1(policy.ClassRecovered, none, 64<<10), exhaustRecovered("ann")},
		{"address", ratesOf1(policy.ClassRecovered, none, 64<<10), exhaustRecovered("")},
	},

	"joins and leaves that a room tells": {{"", withNotices, exhaustNoticeRate}},

	"refusals": {{"", func(c *room.Config, _ *netpoll.Config) { c.Rates.Send, c.Refusals = slow(2*sayings), slow(3) }, exhaustRefusals}},
	"a message before connect": {{"", func(c *room.Config, nc *netpoll.Config) { c.Rates.Input = slow(1 << 20); nc.MaxRestricted = 1000 },
		closedBy("", fmt.Sprintf(`{"id":1,"connect":{"token":%q}}`, strings.Repeat("x", 1000)), 1009)}},
	"commands of a message": {{"", func(c *room.Config, _ *netpoll.Config) { c.MaxCommands = 10 },
		closedBy("ann", strings.Repeat("{\"id\":2,\"send\":{}}\n", 11), 3501)}},
	"publications of a reply": {{"", func(c *room.Config, _ *netpoll.Config) { c.MaxReply = 10 << 10 }, exhaustReply}},
	"replies under way":       {{"", func(c *room.Config, _ *netpoll.Config) { c.MaxReplies = 100 << 10 }, exhaustReply}},
	"connections of a user":   {{"", func(c *room.Config, _ *netpoll.Config) { c.MaxConnsPerUser = 2 }, exhaustConns}},
	"connections of an address": {{"", func(_ *room.Config, nc *netpoll.Config) {
		nc.MaxConnsPerIP, nc.Exempt = 2, []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	}, exhaustAddress}},
	"rooms with members":          {{"", func(c *room.Config, _ *netpoll.Config) { c.MaxRooms = 60 }, exhaustRooms}},
	"entries of the State":        {{"", func(c *room.Config, _ *netpoll.Config) { c.Engine = memory.New(memory.Limits{MaxState: 100_000}) }, exhaustState}},
	"histories":                   {{"", func(c *room.Config, _ *netpoll.Config) { c.Engine = memory.New(memory.Limits{MaxTotal: 300_000}) }, exhaustHistories}},
	"keys of messages":            {{"", func(c *room.Config, _ *netpoll.Config) { c.Engine = memory.New(memory.Limits{MaxKeys: 300}) }, exhaustKeys}},
	"last messages in slow rooms": {{"", func(*room.Config, *netpoll.Config) {}, exhaustSlowMode}},
	"calls under way": {{"", func(c *room.Config, _ *netpoll.Config) {
		c.Calls, c.Engine, c.MaxCalls = rpc.Calls{Caller: newGates()}, newWaitingEngine(), 2
	}, exhaustCalls}},
	"pings and pongs": {{"", func(_ *room.Config, nc *netpoll.Config) { nc.ControlRate = 50 }, exhaustControls}},
}

const none = -1

// ratesOf1 bounds one class, for connections and for users and addresses.
func ratesOf1(c policy.Class, conn, user int) func(*room.Config, *netpoll.Config) {
	return func(cfg *room.Config, _ *netpoll.Config) {
		for rates, n := range map[*policy.Rates]int{&cfg.Rates: conn, &cfg.UserRates: user} {
			if n != none {
				rates.Set(c, slow(n))
			}
		}
		cfg.MaxRoomsPerConn = 20
	}
}
