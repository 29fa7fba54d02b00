package api

import (
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/centrifugal/protocol"
	"github.com/nats-io/nats.go"

	"webim/netpoll/wstest"
	"webim/room/engine"
	"webim/room/engine/jetstream"
	"webim/room/engine/jetstream/natstest"
	"webim/room/token"
)

// The tests in this file have two nodes, each with an engine of its own on the same NATS server. A call of
// the API on one reaches the clients of the other.

// shared is the engine on NATS, in tests that neither remove nor redact anything.
type shared struct{ *jetstream.Engine }

func (shared) RemoveHistory(string, func(error))    { panic("not in these tests") }
func (shared) Redact(string, []uint64, func(error)) { panic("not in these tests") }

// startTwo starts two nodes on one NATS server.
func startTwo(t *testing.T) (a, b *node) {
	t.Helper()
	a, b, _ = startTwoHeld(t)
	return a, b
}

// startTwoHeld starts two nodes on one NATS server. hold can hold back the copy of the State of the second one.
func startTwoHeld(t *testing.T) (a, b *node, hold *natstest.Hold) {
	t.Helper()
	s := natstest.Start(t, t.TempDir())
	hold = natstest.NewHold(s)
	node := func(connect func(...nats.Option) (*nats.Conn, error)) *node {
		e, err := jetstream.Open(t.Context(), jetstream.Config{Log: slog.New(slog.DiscardHandler),
			Connect: connect})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(e.Close)
		return start(t, shared{e})
	}
	return node(natstest.NewHold(s).Connect), node(hold.Connect), hold
}

func TestNodesDeliverAndRecover(t *testing.T) {
	a, b := startTwo(t)
	onA, onB := a.chat("ann", ""), b.chat("bob", "centrifuge-protobuf")
	plain := b.plain("r")
	onA.subscribe("r")
	onB.subscribe("r")
	onA.Publish("r", `"from a client"`)
	first := onB.pub("r")
	if string(first.Data) != `"from a client"` || first.Info == nil || first.Info.User != "ann" || first.Info.Client != onA.id {
		t.Errorf("%+v", first)
	}
	if got := plain.text(); !strings.Contains(got, "from a client") {
		t.Error(got)
	}
	if got := onA.pub("r"); got.Offset != first.Offset {
		t.Errorf("%+v, and on the other node %+v", got, first)
	}
	second := must[position](a, "publish", `{"channel":"r","data":"from the API"}`)
	for _, c := range []*client{onA, onB} {
		if got := c.pub("r"); got.Offset != second.Offset {
			t.Errorf("%+v, %+v", got, second)
		}
	}
	plain.text()
	plain.say("hello")
	if got := onA.pub("r"); !strings.Contains(string(got.Data), "hello") {
		t.Errorf("%+v", got)
	}
	// What was published on one node is recovered on the other one, also in a room without members there.
	seen := must[position](a, "publish", `{"channel":"other","data":1}`)
	second = must[position](a, "publish", `{"channel":"other","data":2}`)
	again := b.chat("cy", "")
	again.recover("other", seen)
	r := again.next()
	if s := r.Subscribe; s == nil || !s.Recovered || len(s.Publications) != 1 || s.Publications[0].Offset != second.Offset {
		t.Errorf("%+v", r)
	}
	if h := must[historyResult](b, "history", `{"channel":"r","limit":10}`); len(h.Publications) != 3 {
		t.Errorf("%+v", h)
	}
}

func TestNodesSeeEachOthersMembers(t *testing.T) {
	a, b := startTwo(t)
	onA := a.chat("ann", "")
	onA.Subscribe(&protocol.SubscribeRequest{Channel: "r", JoinLeave: true})
	if p := onA.Push(); p.Join == nil || p.Join.Info.User != "ann" {
		t.Fatalf("%+v", p)
	}
	onB := b.chat("bob", "")
	onB.subscribe("r")
	if p := onA.Push(); p.Join == nil || p.Join.Info.User != "bob" || p.Join.Info.Client != onB.id || string(p.Join.Info.ConnInfo) != `{"name":"N"}` {
		t.Errorf("%+v", p)
	}
	for _, n := range []*node{a, b} {
		got := must[presenceResult](n, "presence", `{"channel":"r"}`).Presence
		if len(got) != 2 || got[onA.id] == nil || got[onB.id] == nil || got[onB.id].User != "bob" || string(got[onB.id].ConnInfo) != `{"name":"N"}` {
			t.Errorf("%+v", got)
		}
	}
	also := b.chat("ann", "")
	also.subscribe("r")
	if p := onA.Push(); p.Join == nil || p.Join.Info.Client != also.id {
		t.Errorf("%+v", p)
	}
	if st := must[presenceStatsResult](a, "presence_stats", `{"channel":"r"}`); st != (presenceStatsResult{3, 2}) {
		t.Errorf("%+v", st)
	}
	r := onA.Ask(&protocol.Command{PresenceStats: &protocol.PresenceStatsRequest{Channel: "r"}})
	if r.PresenceStats == nil || r.PresenceStats.NumClients != 3 || r.PresenceStats.NumUsers != 2 {
		t.Errorf("%+v", r)
	}
	b.chat("dora", "").subscribe("r")
	if p := onA.Push(); p.Join == nil || p.Join.Info.User != "dora" {
		t.Errorf("%+v", p)
	}
	if got := a.call("presence", `{"channel":"r"}`); !strings.Contains(got, `"code":108`) { // more than MaxPresence
		t.Error(got)
	}
	nodes := must[infoResult](a, "info", ``).Nodes
	if len(nodes) != 2 || nodes[0].UID == nodes[1].UID || nodes[0].NumClients+nodes[1].NumClients != 4 || nodes[0].NumSubs+nodes[1].NumSubs != 4 {
		t.Errorf("%+v", nodes)
	}
	if all := must[channelsResult](b, "channels", ``).Channels; len(all) != 1 || all["r"].NumClients != 4 {
		t.Errorf("%+v", all)
	}
	onB.Conn.Close()
	if p := onA.Push(); p.Leave == nil || p.Leave.Info.Client != onB.id {
		t.Errorf("%+v", p)
	}
}

func TestNodesControlEachOthersClients(t *testing.T) {
	a, b := startTwo(t)
	c, plain := b.chat("bob", ""), b.plain("r")
	a.ok("send", `{"user":"bob","data":1}`)
	if p := c.Push(); p.Message == nil || string(p.Message.Data) != "1" {
		t.Errorf("%+v", p)
	}
	a.ok("send", `{"client":%q,"data":2}`, c.id)
	if p := c.Push(); p.Message == nil || string(p.Message.Data) != "2" {
		t.Errorf("%+v", p)
	}
	since := must[position](a, "publish", `{"channel":"r","data":1}`)
	must[position](a, "publish", `{"channel":"r","data":2}`)
	a.ok("subscribe", `{"channel":"r","user":"bob","data":{"why":"x"},"recover_since":{"offset":%d,"epoch":%q}}`, since.Offset, since.Epoch)
	if p := c.Push(); p.Channel != "r" || p.Subscribe == nil || string(p.Subscribe.Data) != `{"why":"x"}` {
		t.Errorf("%+v", p)
	}
	if p := c.pub("r"); string(p.Data) != "2" {
		t.Errorf("%+v", p)
	}
	a.ok("unsubscribe", `{"channel":"r","user":"bob"}`)
	if p := c.Push(); p.Channel != "r" || p.Unsubscribe == nil {
		t.Errorf("%+v", p)
	}
	a.ok("refresh", `{"user":"bob","expire_at":%d,"info":{"name":"new"}}`, time.Now().Add(time.Hour).Unix())
	if p := c.Push(); p.Refresh == nil || !p.Refresh.Expires {
		t.Errorf("%+v", p)
	}
	c.subscribe("r")
	if got := must[presenceResult](a, "presence", `{"channel":"r"}`).Presence[c.id]; got == nil || string(got.ConnInfo) != `{"name":"new"}` {
		t.Errorf("%+v", got)
	}
	a.ok("disconnect", `{"user":"bob","disconnect":{"code":4321,"reason":"go"}}`)
	if got := c.closing(); got != "closed: 4321 go" {
		t.Error(got)
	}
	wstest.Eventually(t, "only the plain client is present", func() bool {
		return len(must[presenceResult](a, "presence", `{"channel":"r"}`).Presence) == 1
	})
	for client := range must[presenceResult](a, "presence", `{"channel":"r"}`).Presence {
		a.ok("disconnect", `{"client":%q}`, client)
	}
	if got := plain.Rest(true); !strings.Contains(got, "close 3503") {
		t.Error(got)
	}
}

// TestNodesRevoke checks that a revoked token is refused on each node, and that its connection ends.
func TestNodesRevoke(t *testing.T) {
	a, b := startTwo(t)
	claims := token.Claims{User: "bob", ID: "one", Info: json.RawMessage(`{}`)}
	c := b.chatAs(claims, "")
	a.ok("revoke", `{"uid":"one","expire_at":%d}`, time.Now().Add(time.Hour).Unix())
	if got := c.closing(); !strings.HasPrefix(got, "closed: 3500 ") {
		t.Error(got)
	}
	text, err := b.sign.Sign(claims)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []*node{a, b} {
		late := n.dial("")
		late.command(&protocol.Command{Id: 1, Connect: &protocol.ConnectRequest{Token: text}})
		if got := late.closing(); !strings.HasPrefix(got, "closed: 3500 ") {
			t.Error(got)
		}
	}
}

// TestNodesErase erases a user on one node. The connection on the other node ends, the members of both learn
// it by one event, and nobody reads what the user has said.
func TestNodesErase(t *testing.T) {
	a, b := startTwo(t)
	ann, bob, cy := b.chat("ann", ""), a.chat("bob", ""), b.chat("cy", "centrifuge-protobuf")
	for _, c := range []*client{bob, cy} {
		c.subscribe("r")
	}
	ann.Publish("r", `"her text"`)
	for _, c := range []*client{bob, cy} {
		if p := c.pub("r"); string(p.Data) != `"her text"` {
			t.Fatalf("%+v", p)
		}
	}
	a.ok("erase", `{"user":"ann"}`)
	if got := ann.closing(); !strings.HasPrefix(got, "closed: 3503") {
		t.Error(got)
	}
	last := must[position](b, "publish", `{"channel":"r","data":"after"}`)
	for _, c := range []*client{bob, cy} {
		p := c.pub("r")
		for ; p.Offset < last.Offset && p.Tags["event"] == "erase"; p = c.pub("r") {
			if p.Tags["user"] != "ann" || p.Info != nil || string(p.Data) != "{}" {
				t.Errorf("the event is %+v", p)
			}
		}
		if p.Offset != last.Offset {
			t.Errorf("%+v", p)
		}
	}
	for _, n := range []*node{a, b} {
		wstest.Eventually(t, "the text is gone, and there is one event", func() bool {
			all := must[historyResult](n, "history", `{"channel":"r","limit":10}`).Publications
			return len(all) == 3 && all[0].Tags["redacted"] != "" && !strings.Contains(string(all[0].Data), "her text") &&
				(all[1].Tags["event"] == "erase" || all[2].Tags["event"] == "erase")
		})
	}
}

// TestRevokedAfterRestart checks that a node that starts later refuses a revoked token, and that a second
// revocation does not weaken the first.
func TestRevokedAfterRestart(t *testing.T) {
	a, _ := startTwo(t)
	tokens := map[string]string{} // issued before: a token of a later second is valid again
	for name, claims := range map[string]token.Claims{"the token": {User: "bob", ID: "one"}, "the user": {User: "ann"}} {
		text, err := a.sign.Sign(claims)
		if err != nil {
			t.Fatal(err)
		}
		tokens[name] = text
	}
	long, short := time.Now().Add(time.Hour), time.Now().Add(time.Minute)
	for _, end := range []time.Time{long, short} {
		a.ok("revoke", `{"uid":"one","expire_at":%d}`, end.Unix())
		a.ok("revoke", `{"user":"ann","expire_at":%d}`, end.Unix())
	}
	late := start(t, a.hub.Engine()) // another hub
	for name, text := range tokens {
		c := late.dial("")
		c.command(&protocol.Command{Id: 1, Connect: &protocol.ConnectRequest{Token: text}})
		if got := c.closing(); !strings.HasPrefix(got, "closed: 3500 ") {
			t.Errorf("%s: %s", name, got)
		}
	}
	for _, k := range []engine.Key{{Table: engine.TableRevoked, Name: "one"}, {Table: engine.TableRevoked, Of: "ann"}} {
		late.hub.Engine().Get(k, func(e engine.Entry, err error) {
			if err != nil || !e.Expires.Equal(time.Unix(long.Unix(), 0)) {
				t.Errorf("%v ends at %v, %v; want %v", k, e.Expires, err, long)
			}
		})
	}
}
