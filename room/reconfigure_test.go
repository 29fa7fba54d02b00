package room_test

import (
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/centrifugal/protocol"
	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/netpoll/wstest"
	"webim/room"
	"webim/room/budget"
	"webim/room/policy"
	"webim/room/rpc"
	"webim/room/token"
	"webim/room/wire"
)

// reconfigure changes the settings of the hub, which must succeed.
func (n *node) reconfigure(cfg room.Config) {
	n.t.Helper()
	if err := n.hub.Reconfigure(cfg); err != nil {
		n.t.Fatal(err)
	}
}

// TestReconfigureRooms checks that lower limits of rooms and members throw nobody out, and admit nobody.
func TestReconfigureRooms(t *testing.T) {
	cfg := open(room.Config{})
	n := start(t, cfg, netpoll.Config{})
	refused := func(path string) {
		t.Helper()
		if _, status, err := n.dial(new(net.Dialer), path, noDeflate); err != nil || status != 503 {
			t.Fatalf("%s: %d, %v; want 503", path, status, err)
		}
	}
	one, two := n.join("/a", noDeflate), n.join("/a", noDeflate)
	n.join("/b", noDeflate)
	cfg.MaxMembers, cfg.MaxRooms = 1, 2
	n.reconfigure(cfg)
	refused("/a")
	refused("/c")
	if err := one.send(ws.OpText, "still members"); err != nil {
		t.Fatal(err)
	}
	one.expect(t, ws.OpText, "still members")
	two.expect(t, ws.OpText, "still members")
	two.leave(t)
	wstest.Eventually(t, "one has left", func() bool { return n.room("a").Len() == 1 })
	refused("/a")
	cfg.MaxMembers, cfg.MaxRooms = 2, 100
	n.reconfigure(cfg)
	n.join("/a", noDeflate)
	n.join("/c", noDeflate)
}

// TestReconfigureRates checks that connections that came when there were no rates have them, and lose them again: a session,
// and a connection of the plain dialect, for which nothing was counted before.
func TestReconfigureRates(t *testing.T) {
	cfg := open(room.Config{})
	n := start(t, cfg, netpoll.Config{})
	session, plain := n.chat(), n.join("/r", noDeflate)
	if got := session.commands(t, `"connect":{}`, `"publish":{"channel":"s","data":1}`); got[1] != 0 {
		t.Fatal(got)
	}
	say := func(text string) {
		t.Helper()
		if err := plain.send(ws.OpText, text); err != nil {
			t.Fatal(err)
		}
	}
	say("0")
	plain.expect(t, ws.OpText, "0")
	limited := cfg
	limited.Rates.Send = slow(2)
	n.reconfigure(limited)
	three := []string{`"publish":{"channel":"s","data":1}`, `"publish":{"channel":"s","data":2}`, `"publish":{"channel":"s","data":3}`}
	if got := fmt.Sprint(session.commands(t, three...)); got != "[0 0 111]" {
		t.Errorf("the session: %s", got)
	}
	for _, text := range []string{"1", "2", "3"} {
		say(text)
	}
	plain.expect(t, ws.OpText, "1")
	plain.expect(t, ws.OpText, "2")
	wstest.Eventually(t, "the third is refused", func() bool { return n.hub.Stats().TooFast.Send == 2 })
	n.reconfigure(cfg)
	say("4")
	plain.expect(t, ws.OpText, "4")
	if got := fmt.Sprint(session.commands(t, three...)); got != "[0 0 0]" {
		t.Errorf("the session, without rates again: %s", got)
	}
}

// TestReconfigureRatesKeepsLevels checks that what a connection has used of a rate stays used, as a part of it, when the rate changes.
func TestReconfigureRatesKeepsLevels(t *testing.T) {
	const long = 10 * time.Hour // a unit of the longer one, 125 hours, costs less than the longest debt
	for name, to := range map[string]time.Duration{"longer": 100 * long, "shorter": time.Hour} {
		t.Run(name, func(t *testing.T) {
			cfg := open(room.Config{})
			cfg.Rates.Send = budget.Rate{N: 8, Per: long}
			n := start(t, cfg, netpoll.Config{})
			session, one := n.chat(), `"publish":{"channel":"s","data":1}`
			if got := session.commands(t, `"connect":{}`, one, one, one, one); fmt.Sprint(got) != "[0 0 0 0 0]" {
				t.Fatal(got)
			}
			cfg.Rates.Send.Per = to
			n.reconfigure(cfg)
			if got := fmt.Sprint(session.commands(t, one, one, one, one, one)); got != "[0 0 0 0 111]" {
				t.Errorf("after four of eight: %s", got)
			}
		})
	}
}

// TestReconfigureSession changes one setting at a time, and a present session meets the new one with its next command.
func TestReconfigureSession(t *testing.T) {
	cfg := quietly(openConfig())
	n := start(t, cfg, netpoll.Config{})
	c := n.chat()
	c.commands(t, `"connect":{}`, `"subscribe":{"channel":"r"}`)
	other := n.connect(wire.JSON)
	other.Subscribe(&protocol.SubscribeRequest{Channel: "r"})
	other.Subscribe(&protocol.SubscribeRequest{Channel: "others"})
	for _, one := range []struct {
		name   string
		change func(c *room.Config)
		ask    string
		undo   string
		want   wire.ErrorCode
	}{
		{"MaxRoomsPerConn", func(c *room.Config) { c.MaxRoomsPerConn = 1 }, `"subscribe":{"channel":"x"}`, `"unsubscribe":{"channel":"x"}`, wire.ErrLimitExceeded},
		{"MaxMembers", func(c *room.Config) { c.MaxMembers = 1 }, `"subscribe":{"channel":"others"}`, `"unsubscribe":{"channel":"others"}`, wire.ErrLimitExceeded},
		{"MaxPublication", func(c *room.Config) { c.MaxPublication = 10 }, `"publish":{"channel":"z","data":"longer than ten"}`, "", wire.ErrLimitExceeded},
		{"Text", func(c *room.Config) { c.Text = policy.TextLimits{Bytes: 5} }, `"publish":{"channel":"z","data":{"text":"longer than five"}}`, "", wire.ErrText},
		{"MaxPresence", func(c *room.Config) { c.MaxPresence = 1 }, `"presence":{"channel":"r"}`, "", wire.ErrNotAvailable},
	} {
		ask := func() int {
			commands := []string{one.ask}
			if one.undo != "" {
				commands = append(commands, one.undo)
			}
			return c.commands(t, commands...)[0]
		}
		next := cfg
		one.change(&next)
		before := ask()
		n.reconfigure(next)
		during := ask()
		n.reconfigure(cfg)
		if after := ask(); before != 0 || during != int(one.want) || after != 0 {
			t.Errorf("%s: %d, then %d, then %d; want 0, %d, 0", one.name, before, during, after, one.want)
		}
	}
	cfg.MaxCommands = 2
	n.reconfigure(cfg)
	ping := &protocol.Command{Id: 9, Ping: &protocol.PingRequest{}}
	if err := other.Say(ping, ping, ping); err != nil {
		t.Fatal(err)
	}
	other.expectClose(t, wire.DisconnectBadRequest)
	if got := fmt.Sprint(c.commands(t, `"ping":{}`, `"ping":{}`)); got != "[0 0]" {
		t.Errorf("two commands: %s", got)
	}
}

// TestReconfigureUsers changes how many connections a user has, and whether they are in the user's own room.
func TestReconfigureUsers(t *testing.T) {
	v, sign := tokens(t)
	cfg := quietly(openConfig())
	cfg.Tokens = v
	n := start(t, cfg, netpoll.Config{})
	connect := &protocol.ConnectRequest{Token: sign(token.Claims{User: "ann"}, time.Hour)}
	own := func(r *protocol.ConnectResult) bool { return r.Subs["#ann"] != nil }
	first := n.open(wire.JSON)
	if own(first.Connect(connect)) {
		t.Error("a connection is in a personal room before there are any")
	}
	cfg.Personal, cfg.MaxConnsPerUser = true, 1
	n.reconfigure(cfg)
	refused := n.open(wire.JSON)
	if err := refused.Say(&protocol.Command{Id: 1, Connect: connect}); err != nil {
		t.Fatal(err)
	}
	refused.expectClose(t, wire.DisconnectConnectionLimit)
	first.Publish("r", `{}`)
	cfg.MaxConnsPerUser = 2
	n.reconfigure(cfg)
	if second := n.open(wire.JSON); !own(second.Connect(connect)) {
		t.Error("a new connection is not in the personal room")
	}
}

// TestReconfigureWaitingSender checks that a member that waits for its room goes on because of a larger MaxUnswept.
func TestReconfigureWaitingSender(t *testing.T) {
	cfg := open(room.Config{MaxUnswept: 1000})
	n := start(t, cfg, netpoll.Config{})
	member := n.join("/r", noDeflate)
	r := n.room("r")
	if !r.TryAcquire(1000) {
		t.Fatal("the room is busy from the start")
	}
	if err := member.send(ws.OpText, "waits"); err != nil {
		t.Fatal(err)
	}
	wstest.Eventually(t, "the message waits", func() bool {
		r.Mu().Lock()
		defer r.Mu().Unlock()
		return r.Waiting().Len() == 1
	})
	cfg.MaxUnswept = 2000
	n.reconfigure(cfg)
	r.Release(1) // by the old value this is not enough
	member.expect(t, ws.OpText, "waits")
	r.Release(999)
}

// TestReconfigureLeaveDelay checks that a new delay is that of the next leave, and that a leave that waits goes on waiting.
func TestReconfigureLeaveDelay(t *testing.T) {
	cfg := quietly(openConfig())
	cfg.LeaveDelay = time.Hour
	n := start(t, cfg, netpoll.Config{})
	listener, late, soon := n.connect(wire.JSON), n.connect(wire.JSON), n.connect(wire.JSON)
	listener.Subscribe(&protocol.SubscribeRequest{Channel: "r", JoinLeave: true})
	for _, k := range []*protocolClient{late, soon} {
		k.Subscribe(&protocol.SubscribeRequest{Channel: "r"})
	}
	late.HangUp()
	wstest.Eventually(t, "a leave waits", func() bool { return n.hub.LeaveDelays().Waiting() == 1 })
	cfg.LeaveDelay = -1
	n.reconfigure(cfg)
	soon.HangUp()
	for listener.Push().Leave == nil { // the joins come first
	}
	if got := n.hub.LeaveDelays().Waiting(); got != 1 {
		t.Errorf("%d leaves wait, want 1", got)
	}
}

// TestReconfigureCalls checks that a larger MaxCalls starts the calls that wait, and that a lower one ends none.
func TestReconfigureCalls(t *testing.T) {
	g := newGates()
	cfg := quietly(openConfig())
	cfg.Calls, cfg.Engine, cfg.MaxCalls = rpc.Calls{Caller: g}, newWaitingEngine(), 1
	n := start(t, cfg, netpoll.Config{})
	answers := make(chan *protocol.Reply, 5)
	for i := range 5 {
		k := n.connect(wire.JSON)
		if err := k.Say(rpcCommand(9, "wait", "1")); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			<-g.begun
		}
		go func() {
			r, err := k.Next()
			if err != nil {
				t.Error(err)
			}
			answers <- r
		}()
	}
	if r := <-answers; r == nil || r.Error == nil { // of the others at most three wait
		t.Fatalf("%v, want a refusal", r)
	}
	cfg.MaxCalls = 8
	n.reconfigure(cfg)
	for range 3 {
		<-g.begun
	}
	cfg.MaxCalls = 1
	n.reconfigure(cfg)
	for range 4 {
		g.open <- struct{}{}
	}
	for range 4 {
		if r := <-answers; r.GetRpc() == nil {
			t.Errorf("%v, want the result of a call", r)
		}
	}
}

// TestReconfigureFixed checks that a fixed setting is refused by its name, and that nothing else changes then; and that parts
// that are functions stay as they are.
func TestReconfigureFixed(t *testing.T) {
	cfg := quietly(openConfig())
	n := start(t, cfg, netpoll.Config{})
	before := n.hub.Config()
	for name, change := range map[string]func(c *room.Config){
		"PingInterval": func(c *room.Config) { c.PingInterval = time.Minute },
		"PongTimeout":  func(c *room.Config) { c.PongTimeout = time.Minute },
		"Version":      func(c *room.Config) { c.Version = "other" },
	} {
		next := cfg
		next.MaxMembers, next.Rates = 1, policy.Rates{}
		change(&next)
		if err := n.hub.Reconfigure(next); err == nil || !strings.Contains(err.Error(), "Config."+name+" ") {
			t.Errorf("%s: %v", name, err)
		}
		if n.hub.Config() != before || n.hub.Meter().Limits(policy.ClassSend) {
			t.Errorf("%s: other settings have changed", name)
		}
	}
	n.reconfigure(room.Config{Anonymous: true, PingInterval: -1, Rates: policy.NoRates, UserRates: policy.NoRates})
	k := n.connect(wire.JSON)
	k.Publish("r", `{}`)
	if c := n.hub.Config(); c.Engine == nil || c.Options == nil || c.Log == nil {
		t.Errorf("%+v", c)
	}
}

// TestReconfigureUnderLoad changes all settings again and again while members of both dialects join, talk and leave. Each
// member gets all messages of its own, in order.
func TestReconfigureUnderLoad(t *testing.T) {
	const messages = 200
	cfg := quietly(open(openConfig()))
	n := start(t, cfg, netpoll.Config{Workers: 2})
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			next := cfg
			if i%2 == 0 {
				next.MaxRooms, next.MaxMembers, next.MaxUnswept, next.MaxCommands, next.MaxRoomsPerConn = 1000, 100, 2000, 300, 50
				next.MaxReply, next.MaxReplies, next.MaxPresence, next.MaxConnsPerUser, next.MaxCalls = 1<<10, 1<<20, 10, 5, 1
				next.Rates, next.UserRates, next.LeaveDelay, next.MaxPause = policy.Rates{Send: slow(10_000)}, policy.Rates{Send: slow(100_000)}, -1, time.Millisecond
			}
			if err := n.hub.Reconfigure(next); err != nil {
				t.Error(err)
			}
		}
	}()
	var clients sync.WaitGroup
	for i := range 4 {
		name := fmt.Sprint("r", i%2) // of two members each
		clients.Go(func() {
			c, status, err := n.dial(new(net.Dialer), "/"+name, noDeflate)
			if err != nil || status != 101 {
				t.Errorf("%d, %v", status, err)
				return
			}
			defer c.Conn.Close()
			go func() {
				for k := range messages {
					if c.send(ws.OpText, fmt.Sprint(i, " ", k)) != nil {
						return // the reader sees that, too
					}
				}
			}()
			for k := 0; k < messages; {
				_, p, err := c.read()
				if err != nil {
					t.Errorf("client %d: %v", i, err)
					return
				}
				if mine, rest, _ := strings.Cut(string(p), " "); mine == fmt.Sprint(i) {
					if rest != fmt.Sprint(k) {
						t.Errorf("client %d gets %q, want its message %d", i, p, k)
						return
					}
					k++
				}
			}
		})
		clients.Go(func() {
			for range 20 {
				k, err := dialProtocol(t, new(net.Dialer), n.addr, wire.JSON, noDeflate)
				if err != nil {
					t.Error(err)
					return
				}
				for _, c := range []*protocol.Command{{Connect: &protocol.ConnectRequest{}}, {Subscribe: &protocol.SubscribeRequest{Channel: "s"}},
					{Publish: &protocol.PublishRequest{Channel: "s", Data: []byte(`{}`)}}, {Presence: &protocol.PresenceRequest{Channel: "s"}}} {
					if r, err := k.Try(c); err != nil || r.Error != nil {
						t.Errorf("%v: %v, %v", c, r, err)
					}
				}
				k.Conn.Close()
			}
		})
	}
	clients.Wait()
	close(stop)
	<-stopped
}
