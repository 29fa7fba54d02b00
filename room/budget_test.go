package room

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/golang-jwt/jwt/v5"

	"webim/netpoll"
	"webim/room/budget"
	"webim/room/wire"
)

// budgetTest exhausts a row of package budget's table, at one level.
type budgetTest struct {
	level   string // connection, user, address; "": there is one only
	cfg     func(c *Config, nc *netpoll.Config)
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
	c, status, err := dial(&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(addr)}}, n.addr, path, extensions)
	if err != nil || status != 101 {
		t.Fatalf("joining %s from %s: %d, %v", path, addr, status, err)
	}
	t.Cleanup(func() { c.c.Close() })
	return c
}

// as connects a user, or nobody, from an address.
func (n *node) as(t testing.TB, addr, user string) *client {
	t.Helper()
	c := n.from(t, addr, ChatPath, noDeflate)
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
				w := &budgetWorld{startWith(t, NewHub(cfg), nc, nil)}
				by := newBystander(t, w.node)
				one.exhaust(t, w)
				by.check(t)
			})
		}
	}
}

// openBudgets is a server with rooms that remember, and without any bound.
func openBudgets(t *testing.T) (Config, netpoll.Config) {
	v, _ := tokens(t)
	rooms := Patterns{{"*", Options{Rights: OpenRights(), Presence: true, Recoverable: true, History: Retention{1000, 1 << 20, time.Hour}}}}
	return Config{Tokens: v, Anonymous: true, Options: rooms.Options, Rates: NoRates, UserRates: NoRates, Text: TextLimits{-1, -1}}, netpoll.Config{}
}

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
	"joining":                       commandTests(classJoin, `"subscribe":{"channel":"r%d"}`),
	"sending":                       commandTests(classSend, `"publish":{"channel":"r","data":%d}`),
	"typing":                        commandTests(classTyping, `"rpc":{"method":"typing","data":{"n":%d}}`),
	"history and presence":          commandTests(classRead, `"history":{"channel":"r","limit":%d}`),
	"calls, connecting, new tokens": commandTests(classRPC, `"rpc":{"method":"unknown","data":{"n":%d}}`),
	"other commands, unasked pongs": append(commandTests(classOther, `"unsubscribe":{"channel":"r%d"}`), budgetTest{"pongs", ratesOf1(classOther, 20, none), exhaustPongs}),

	"bytes read and inflated": {
		{"connection", ratesOf1(classInput, 64<<10, none), exhaustInput("ann", "ann")},
		{"user", ratesOf1(classInput, none, 64<<10), exhaustInput("ann", "ann")},
		{"address", ratesOf1(classInput, none, 64<<10), exhaustInput("", "")},
	},
	"bytes sent on: size x members": {
		{"connection", ratesOf1(classFanout, 8<<10, none), exhaustFanout("ann")},
		{"user", ratesOf1(classFanout, none, 8<<10), exhaustFanout("ann")},
		{"address", ratesOf1(classFanout, none, 8<<10), exhaustFanout("")},
		{"connection that joins and leaves", noticedRates(8<<10, none), exhaustNotices("ann")},
		{"user that joins and leaves", noticedRates(none, 8<<10), exhaustNotices("ann")},
		{"address that joins and leaves", noticedRates(none, 8<<10), exhaustNotices("")},
	},
	"bytes recovered, and history": {
		{"connection", ratesOf1(classRecovered, 64<<10, none), exhaustRecovered("ann")},
		{"user", ratesOf1(classRecovered, none, 64<<10), exhaustRecovered("ann")},
		{"address", ratesOf1(classRecovered, none, 64<<10), exhaustRecovered("")},
	},

	"joins and leaves that a room tells": {{"", withNotices, exhaustNoticeRate}},

	"refusals": {{"", func(c *Config, _ *netpoll.Config) { c.Rates.Send, c.Refusals = slow(2*sayings), slow(3) }, exhaustRefusals}},
	"a message before connect": {{"", func(c *Config, nc *netpoll.Config) { c.Rates.Input = slow(1 << 20); nc.MaxRestricted = 1000 },
		closedBy("", fmt.Sprintf(`{"id":1,"connect":{"token":%q}}`, strings.Repeat("x", 1000)), 1009)}},
	"commands of a message": {{"", func(c *Config, _ *netpoll.Config) { c.MaxCommands = 10 },
		closedBy("ann", strings.Repeat("{\"id\":2,\"send\":{}}\n", 11), 3501)}},
	"publications of a reply": {{"", func(c *Config, _ *netpoll.Config) { c.MaxReply = 10 << 10 }, exhaustReply}},
	"replies under way":       {{"", func(c *Config, _ *netpoll.Config) { c.MaxReplies = 100 << 10 }, exhaustReply}},
	"connections of a user":   {{"", func(c *Config, _ *netpoll.Config) { c.MaxConnsPerUser = 2 }, exhaustConns}},
	"connections of an address": {{"", func(_ *Config, nc *netpoll.Config) {
		nc.MaxConnsPerIP, nc.Exempt = 2, []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	}, exhaustAddress}},
	"rooms with members":          {{"", func(c *Config, _ *netpoll.Config) { c.MaxRooms = 60 }, exhaustRooms}},
	"entries of the State":        {{"", func(c *Config, _ *netpoll.Config) { c.Engine = NewMemory(Limits{MaxState: 100_000}) }, exhaustState}},
	"histories":                   {{"", func(c *Config, _ *netpoll.Config) { c.Engine = NewMemory(Limits{MaxTotal: 300_000}) }, exhaustHistories}},
	"keys of messages":            {{"", func(c *Config, _ *netpoll.Config) { c.Engine = NewMemory(Limits{MaxKeys: 300}) }, exhaustKeys}},
	"last messages in slow rooms": {{"", func(*Config, *netpoll.Config) {}, exhaustSlowMode}},
	"pings and pongs":             {{"", func(_ *Config, nc *netpoll.Config) { nc.ControlRate = 50 }, exhaustControls}},
}

const none = -1

// ratesOf1 bounds one class, for connections and for users and addresses.
func ratesOf1(c class, conn, user int) func(*Config, *netpoll.Config) {
	return func(cfg *Config, _ *netpoll.Config) {
		for rates, n := range map[*Rates]int{&cfg.Rates: conn, &cfg.UserRates: user} {
			if n != none {
				*rates.byClass()[c] = slow(n)
			}
		}
		cfg.MaxRoomsPerConn = 20
	}
}

// commandTests exhaust a class of commands: of the connection, then of its user.
func commandTests(c class, command string) []budgetTest {
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
		if n, user := refused(second), w.hub.cfg.UserRates.of(c).N > 0; user != (n == 30) {
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
		eventually(t, "it is not read", func() bool { return w.s.Stats().Rests > 0 })
		a.say(t, `{"id":8,"ping":{}}`)
		b.say(t, `{"id":8,"ping":{}}`)
		for _, c := range []*client{stranger, colleague} {
			if got := c.commands(t, `"ping":{}`); got[0] != 0 {
				t.Errorf("others: %v", got)
			}
		}
		if w.hub.cfg.Rates.Input.N > 0 {
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
		one := w.hub.cfg.Rates.Fanout.N > 0
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
			eventually(t, "the message is refused in the plain dialect", func() bool { return w.hub.Stats().TooFast.Fanout >= int64(refused)+2 })
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
		if got := b.commands(t, history)[0]; (got == 111) == (w.hub.cfg.Rates.Recovered.N > 0) {
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
	if w.hub.cfg.MaxReply == 10<<10 {
		c.say(t, `{"id":3,"history":{"channel":"large","limit":100}}`)
		got := c.reply(t)
		if n, top := strings.Count(got, `"offset"`)-1, field(t, got, "history", "offset"); n < 5 || n > 10 || top != 30.0 {
			t.Errorf("a history of %d publications, its top at %v", n, top)
		}
	}
	d := w.from(t, attacker, ChatPath, noDeflate)
	tok := forge(t, jwt.MapClaims{"sub": "ann", "channels": []string{"small", "large"}})
	d.say(t, `{"id":1,"connect":{"token":%q,"subs":{"small":{"recover":true},"large":{"recover":true}}}}`, tok)
	got := d.reply(t)
	small, large := field(t, got, "connect", "subs", "small", "recovered"), field(t, got, "connect", "subs", "large", "recovered")
	if small != true || large == true {
		t.Errorf("by connect: the small room %v, the large one %v: %.300s", small, large, got)
	}
	if used := w.hub.replies.Used(); used != 0 {
		t.Errorf("%d bytes are counted for replies that are made", used)
	}
}

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
		c := w.from(t, attacker, ChatPath, noDeflate)
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
	c := w.from(t, attacker, ChatPath, noDeflate)
	c.say(t, `{"id":1,"connect":{"token":%q}}`, forge(t, jwt.MapClaims{"sub": "ann"}))
	if got := c.reply(t); got != "close 3504" {
		t.Errorf("the third: %s", got)
	}
}

// exhaustAddress comes by a proxy, for loopback itself has no such bound.
func exhaustAddress(t *testing.T, w *budgetWorld) {
	come := func(addr string) int {
		c, err := net.Dial("tcp", w.addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		head := strings.TrimSuffix(string(upgrade("/r", noDeflate, "")), "\r\n") + "X-Forwarded-For: " + addr + "\r\n\r\n"
		if _, err := c.Write([]byte(head)); err != nil {
			t.Fatal(err)
		}
		cl := newClient(c)
		r, err := http.ReadResponse(cl.br, nil)
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
		w.hub.StateOf(budget.User(user)).Put(Entry{Key: Key{TableMine, user, fmt.Sprint(n)}, Value: []byte("{}")}, func(_ uint64, err error) { refused = err })
		return refused
	}
	n := 0
	for ; n < 1000 && write("ann", n) == nil; n++ {
	}
	if err := write("ann", n); err != ErrShareFull || n == 0 || n > 100 {
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
	if used := w.hub.engine.(*Memory).Stats().Bytes; used > 300_000 {
		t.Errorf("%d bytes are remembered", used)
	}
}

// exhaustKeys publishes with ever new keys; package chat does so by its calls.
func exhaustKeys(t *testing.T, w *budgetWorld) {
	say := func(user, key string) (err error) {
		w.hub.engine.Publish("r", Message{Op: ws.OpText, Data: []byte("x"), Key: user + key, Payer: budget.User(user)}, func(_ Position, e error) { err = e })
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
	if err := say("colleague", "mine"); err != ErrRepeated {
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
	for i := range 2 * maxSpoken {
		k := whoWhere{"slow", fmt.Sprint("guest ", i)}
		if _, err := w.hub.lastSpoke.pass(k, payerOf("", netip.MustParseAddr(attacker)), time.Hour, ""); err != nil {
			t.Fatal(err)
		}
	}
	if got := w.as(t, attacker, "colleague").commands(t, hello, hello); fmt.Sprint(got) != fmt.Sprint([]int{0, int(wire.ErrSlowMode)}) {
		t.Errorf("another user of the address: %v", got)
	}
	if got := b.commands(t, hello)[0]; got != int(wire.ErrSlowMode) {
		t.Errorf("the neighbour need not wait any more: %d", got)
	}
	if n := w.hub.lastSpoke.queue.Len(); n > maxSpoken {
		t.Errorf("%d entries are kept", n)
	}
}
