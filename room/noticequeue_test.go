package room_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/centrifugal/protocol"
	"github.com/golang-jwt/jwt/v5"

	"webim/netpoll"
	"webim/room"
	"webim/room/budget"
	"webim/room/engine"
	"webim/room/internal/notices"
	"webim/room/policy"
	"webim/room/wire"
)

// noticesUntil returns the notices that come before a message: +a for the join of a, -a for its
// leave.
func noticesUntil(t *testing.T, k *protocolClient, text string) string {
	t.Helper()
	defer k.Wait()()
	var all []string
	for {
		switch p := k.Push(); {
		case p.Join != nil:
			all = append(all, "+"+p.Join.Info.Client)
		case p.Leave != nil:
			all = append(all, "-"+p.Leave.Info.Client)
		case p.Pub != nil && string(p.Pub.Data) == text:
			return strings.Join(all, " ")
		}
	}
}

// TestNoticesAreGathered checks that the notices of a room in debt wait and are then sent
// together, in their order, without the clients that joined and left meanwhile unseen. All
// encodings get the same.
func TestNoticesAreGathered(t *testing.T) {
	many := make([]string, notices.Max+3)
	for i := range many {
		many[i] = fmt.Sprint("+", i)
	}
	for name, c := range map[string]struct {
		happens   string // +a joins, -a leaves, ? asks for the presence, # counts it
		now, then string // sent at once, and by the sweep
	}{
		"two that stay":                {"+a +b", "", "+a +b"},
		"one that joins and leaves":    {"+a +b -a", "", "+b"},
		"again and again":              {"+a -a +a -a +a", "", "+a"},
		"one that was a member before": {"-a +a -a", "", "-a"},
		"one that returns":             {"-a +a", "", "-a +a"},
		"seen in between":              {"+a ? -a", "", "+a -a"},
		"counted in between":           {"+a # -a", "", "+a -a"},
		"seen before it was said":      {"? +a -a", "", "+a -a"},
		"seen, and another":            {"+a ? +b -a -b", "", "+a +b -a -b"},
		"more than may wait":           {strings.Join(many, " ") + " -3 -0", "+0 +1 +2", strings.Join(many[4:], " ") + " -0"},
	} {
		t.Run(name, func(t *testing.T) {
			n := start(t, openConfig(), netpoll.Config{})
			var all []*protocolClient
			for _, enc := range bothEncodings {
				k := n.connect(enc)
				k.Subscribe(&protocol.SubscribeRequest{Channel: "r", JoinLeave: true})
				all = append(all, k)
				for _, one := range all { // a join is told a moment later: to whoever is there then
					if one.Push().Join == nil {
						t.Fatal("not a join")
					}
				}
			}
			r := n.room("r")
			told := func(want, when string) {
				t.Helper()
				if err := n.say("r", when); err != nil {
					t.Fatal(err)
				}
				for _, k := range all {
					if got := noticesUntil(t, k, fmt.Sprintf(`{"text":%q}`, when)); got != want {
						t.Errorf("%s: told %.100q, want %.100q", when, got, want)
					}
				}
			}
			r.Mu().Lock()
			r.Notices().Cost.Charge(notices.Rate, 100*notices.Rate.N, n.hub.Now())
			r.Mu().Unlock()
			for _, what := range strings.Fields(c.happens) {
				switch what {
				case "?":
					r.Members(10)
				case "#":
					r.Count(nil)
				default:
					r.Notify(engine.Notice{Left: what[0] == '-', Who: engine.Author{Client: what[1:]}})
				}
			}
			told(c.now, "now")
			r.Mu().Lock()
			waiting := r.Notices().Waiting()
			r.Notices().Cost = budget.Bucket{}
			r.Mu().Unlock()
			if waiting > notices.Max {
				t.Errorf("%d wait", waiting)
			}
			r.SendWaitingNotices()
			told(c.then, "then")
			r.Mu().Lock()
			defer r.Mu().Unlock()
			if r.Notices().Waiting() > 0 {
				t.Error("something is left")
			}
		})
	}
}

// TestNoticesWaitForNobody checks that a member that begins to listen gets no join of a client
// that has left while no member listened, because its leave was not sent to anybody.
func TestNoticesWaitForNobody(t *testing.T) {
	n := start(t, openConfig(), netpoll.Config{})
	keeper := n.connect(wire.JSON)
	keeper.Subscribe(&protocol.SubscribeRequest{Channel: "r"})
	first := n.connect(wire.JSON)
	first.Subscribe(&protocol.SubscribeRequest{Channel: "r", JoinLeave: true})
	first.Push() // its own join
	r := n.room("r")
	r.Mu().Lock()
	r.Notices().Cost.Charge(notices.Rate, 100*notices.Rate.N, n.hub.Now())
	r.Mu().Unlock()
	r.Notify(engine.Notice{Who: engine.Author{Client: "gone"}})
	first.Ask(&protocol.Command{Unsubscribe: &protocol.UnsubscribeRequest{Channel: "r"}})
	r.Notify(engine.Notice{Left: true, Who: engine.Author{Client: "gone"}})
	next := n.connect(wire.Protobuf)
	next.Subscribe(&protocol.SubscribeRequest{Channel: "r", JoinLeave: true})
	r.Notify(engine.Notice{Who: engine.Author{Client: "told"}})
	r.Mu().Lock()
	r.Notices().Cost = budget.Bucket{}
	r.Mu().Unlock()
	r.SendWaitingNotices()
	if err := n.say("r", "end"); err != nil {
		t.Fatal(err)
	}
	if got := noticesUntil(t, next, `{"text":"end"}`); strings.Contains(got, "gone") || !strings.Contains(got, "+told") {
		t.Errorf("told %q", got)
	}
}

// withNotices turns notices on in all rooms, and leave delays off.
func withNotices(c *room.Config, _ *netpoll.Config) {
	options := c.Options
	c.LeaveDelay = -1
	c.Options = func(room string) *policy.Options {
		o := *options(room)
		o.Notices = true
		return &o
	}
}

// noticedRates is ratesOf1 with notices.
func noticedRates(conn, user int) func(*room.Config, *netpoll.Config) {
	return func(c *room.Config, nc *netpoll.Config) {
		ratesOf1(policy.ClassFanout, conn, user)(c, nc)
		withNotices(c, nc)
	}
}

// listen makes members that listen to the notices of a room, each with so many bytes of info.
func (w *budgetWorld) listen(t *testing.T, room string, members, info int) (last *client) {
	t.Helper()
	for i := range members {
		last = w.from(t, neighbour, wire.EndpointPath, noDeflate)
		tok := forge(t, jwt.MapClaims{"sub": fmt.Sprint("listener ", i), "info": strings.Repeat("i", info)})
		last.say(t, `{"id":1,"connect":{"token":%q}}`, tok)
		last.say(t, `{"id":2,"subscribe":{"channel":%q,"join_leave":true}}`, room)
		end := last.Wait()
		for !strings.Contains(last.reply(t), `"id":2`) {
		}
		end()
	}
	return last
}

// exhaustNotices joins and leaves a room whose other members listen.
func exhaustNotices(user string) func(*testing.T, *budgetWorld) {
	return func(t *testing.T, w *budgetWorld) {
		w.listen(t, "many", 10, 0)
		join, leave := `"subscribe":{"channel":"many"}`, `"unsubscribe":{"channel":"many"}`
		a, b := w.as(t, attacker, user), w.as(t, attacker, user)
		one := w.hub.Config().Rates.Fanout.N > 0
		refused := 0
		for range 20 {
			got := a.commands(t, join, leave)
			refused += got[0] / 111
			if got[1] != 0 {
				t.Errorf("leaving: %d", got[1])
			}
		}
		if refused == 0 || refused == 20 {
			t.Errorf("%d of 20 joins were refused", refused)
		}
		if got := b.commands(t, join)[0]; (got == 111) == one {
			t.Errorf("another connection: %d", got)
		}
		if got := a.commands(t, `"subscribe":{"channel":"empty"}`)[0]; got != 0 {
			t.Errorf("in a room without listeners: %d", got)
		}
		if got := w.as(t, attacker, "colleague").commands(t, join)[0] + w.as(t, neighbour, "").commands(t, join)[0]; got != 0 {
			t.Errorf("others: %d", got)
		}
	}
}

// exhaustNoticeRate makes a room send more notices than its rate permits. The rest comes later. The clients join
// within the server, as fast as it can tell of them, because over sockets a slow machine is slower than the rate.
func exhaustNoticeRate(t *testing.T, w *budgetWorld) {
	const members = 40
	last := w.listen(t, "many", members, 0)
	r := w.room("many")
	waiting := func() int {
		r.Mu().Lock()
		defer r.Mu().Unlock()
		return r.Notices().Waiting()
	}
	info := fmt.Appendf(nil, "%q", strings.Repeat("i", notices.Rate.N/members/8))
	joined := 1 // last itself
	for waiting() == 0 {
		if joined > 100 {
			t.Fatal("all were told at once")
		}
		r.Notify(engine.Notice{Who: engine.Author{Client: fmt.Sprint("c", joined), ConnInfo: info}})
		joined++
	}
	for joins := 0; joins < joined; {
		joins += strings.Count(last.reply(t), `"join"`)
	}
}

// TestManyClientsJoinAtOnce checks that many clients without tokens, which come from one address
// at once, as after a restart, can all join, and that all are told of each other.
func TestManyClientsJoinAtOnce(t *testing.T) {
	const clients = 120
	n := startWith(t, newHub(room.Config{Anonymous: true, Options: policy.Patterns{{Match: "*", Options: policy.Options{Rights: policy.OpenRights(), Notices: true, ForceNotices: true}}}.Options}), netpoll.Config{}, nil)
	var all []*client
	for range clients {
		c := n.from(t, attacker, wire.EndpointPath, noDeflate)
		c.say(t, "{\"id\":1,\"connect\":{}}\n"+`{"id":2,"subscribe":{"channel":"r"}}`)
		all = append(all, c)
	}
	for i, c := range all {
		for subscribed, joins := false, 0; !subscribed || i == 0 && joins < clients; {
			got := c.reply(t)
			if strings.Contains(got, "error") {
				t.Fatalf("client %d: %s", i, got)
			}
			subscribed = subscribed || strings.Contains(got, `"id":2`)
			joins += strings.Count(got, `"join":`)
		}
	}
}
