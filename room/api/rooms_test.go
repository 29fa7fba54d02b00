package api

import (
	"slices"
	"strings"
	"testing"

	"webim/netpoll/wstest"
	"webim/room/engine/memory"
	"webim/room/token"
)

func TestHistory(t *testing.T) {
	n := start(t, nil)
	plain := n.plain("r")
	c := n.chat("ann", "")
	c.subscribe("r")
	var places []position
	for _, body := range []string{`1`, `{"text":"two"}`, `3`} {
		places = append(places, must[position](n, "publish", `{"channel":"r","data":%s,"tags":{"a":"b"}}`, body))
	}
	plain.say("four")
	wstest.Eventually(t, "the plain one is in the history", func() bool {
		return must[historyResult](n, "history", `{"channel":"r"}`).Offset > places[2].Offset
	})
	for _, one := range []struct {
		ask, want string
	}{
		{`"limit":-1`, `1 {"text":"two"} 3 {"text":"four"} `},
		{`"limit":2`, `1 {"text":"two"} `},
		{`"limit":1,"reverse":true`, `{"text":"four"} `},
		{`"limit":0`, ``},
		{`"limit":-1,"since":{"offset":` + itoa(places[1].Offset) + `,"epoch":"` + places[1].Epoch + `"}`, `3 {"text":"four"} `},
		{`"limit":-1,"reverse":true,"since":{"offset":` + itoa(places[1].Offset) + `,"epoch":"` + places[1].Epoch + `"}`, `1 `},
	} {
		h := must[historyResult](n, "history", `{"channel":"r",%s}`, one.ask)
		got := ""
		for _, p := range h.Publications {
			got += string(p.Data) + " "
			if p.Time == 0 || p.Offset == 0 {
				t.Errorf("%+v", p)
			}
		}
		if got != one.want || h.Epoch != places[0].Epoch || h.Offset <= places[2].Offset {
			t.Errorf("%s: got %s, want %s; %+v", one.ask, got, one.want, h)
		}
	}
	all := must[historyResult](n, "history", `{"channel":"r","limit":-1}`)
	if p := all.Publications[0]; p.Tags["a"] != "b" || p.Info != nil {
		t.Errorf("%+v", p)
	}
}

// TestPatternsAreBounded checks that a pattern longer than the limit is refused, and that a pattern
// at the limit works, whatever its content.
func TestPatternsAreBounded(t *testing.T) {
	n := start(t, nil)
	n.chat("ann", "").subscribe("lobby")
	stars := strings.Repeat("*", token.MaxPattern-1)
	for pattern, want := range map[string]string{
		"":                         `{"result":{"channels":{"lobby":{"num_clients":1}}}}`,
		stars + "*":                `{"result":{"channels":{"lobby":{"num_clients":1}}}}`,
		stars + "x":                `{"result":{"channels":{}}}`,
		stars + "**":               `bad request: pattern has 512 bytes, more than 511`,
		strings.Repeat("*a", 5000): `bad request: pattern has 10000 bytes, more than 511`,
	} {
		if got := n.call("channels", `{"pattern":%q}`, pattern); !strings.Contains(got, want) {
			t.Errorf("%d bytes: %s, want %s", len(pattern), got, want)
		}
	}
}

// TestHistoryRemove checks that removing a history starts a new epoch, and that recovering clients
// are told that they cannot recover.
func TestHistoryRemove(t *testing.T) {
	n := start(t, nil)
	c := n.chat("ann", "")
	c.subscribe("r")
	first := must[position](n, "publish", `{"channel":"r","data":1}`)
	c.pub("r")
	n.ok("history_remove", `{"channel":"r"}`)
	n.ok("history_remove", `{"channel":"unknown"}`)
	h := must[historyResult](n, "history", `{"channel":"r","limit":-1}`)
	if len(h.Publications) != 0 || h.Epoch == first.Epoch || h.Epoch == "" {
		t.Errorf("%+v", h)
	}
	next := must[position](n, "publish", `{"channel":"r","data":2}`)
	if p := c.pub("r"); string(p.Data) != "2" || next.Epoch != h.Epoch || next.Offset <= first.Offset {
		t.Errorf("%+v at %+v", p, next)
	}
	d := n.chat("bob", "")
	d.recover("r", first)
	if r := d.next().Subscribe; r == nil || r.Recovered || len(r.Publications) != 0 || r.Epoch != next.Epoch || r.Offset != next.Offset {
		t.Errorf("%+v", r)
	}
	must[position](n, "publish", `{"channel":"r","data":3}`)
	e := n.chat("eve", "")
	e.recover("r", next)
	if r := e.next().Subscribe; r == nil || !r.Recovered || len(r.Publications) != 1 {
		t.Errorf("%+v", r)
	}
}

// TestHistoryRemoveTold checks that clients with a recoverable subscription learn of the removal at
// once and reconnect.
func TestHistoryRemoveTold(t *testing.T) {
	n := start(t, nil)
	js, server, pb := n.chat("ann", ""), n.chat("bob", "centrifuge-protobuf"), n.chat("eve", "centrifuge-protobuf")
	for _, c := range []*client{js, pb} {
		c.recover("r", position{})
		if r := c.next(); r.Subscribe == nil || !r.Subscribe.Recoverable {
			t.Fatalf("%+v", r)
		}
	}
	n.ok("subscribe", `{"channel":"r","user":"bob"}`)
	server.next()
	n.ok("history_remove", `{"channel":"r"}`)
	for _, c := range []*client{js, pb} {
		if r := c.next(); r.Push == nil || r.Push.Unsubscribe == nil || r.Push.Unsubscribe.Code != 2500 {
			t.Errorf("%+v", r)
		}
		c.subscribe("r")
	}
	if got := server.closing(); got != "closed: 3010 insufficient state" {
		t.Error(got)
	}
	must[position](n, "publish", `{"channel":"r","data":1}`)
	js.pub("r")
	pb.pub("r")
}

func TestPresence(t *testing.T) {
	n := start(t, nil)
	if got := must[presenceResult](n, "presence", `{"channel":"r"}`).Presence; len(got) != 0 {
		t.Errorf("nobody is there: %v", got)
	}
	a, b, _ := n.chat("ann", ""), n.chat("ann", "centrifuge-protobuf"), n.plain("r")
	a.subscribe("r")
	b.subscribe("r")
	got := must[presenceResult](n, "presence", `{"channel":"r"}`).Presence
	if len(got) != 3 || got[a.id].User != "ann" || got[b.id].Client != b.id || string(got[a.id].ConnInfo) != `{"name":"N"}` {
		t.Errorf("%v", got)
	}
	if st := must[presenceStatsResult](n, "presence_stats", `{"channel":"r"}`); st != (presenceStatsResult{3, 2}) {
		t.Errorf("%+v", st)
	}
	n.chat("bob", "").subscribe("r") // now there are too many to list
	if got := n.call("presence", `{"channel":"r"}`); got != `{"error":{"code":108,"message":"not available"}}` {
		t.Errorf("%s", got)
	}
	if st := must[presenceStatsResult](n, "presence_stats", `{"channel":"r"}`); st != (presenceStatsResult{4, 3}) {
		t.Errorf("%+v", st)
	}
}

// TestNodes checks that two nodes on one engine answer and act as one.
func TestNodes(t *testing.T) {
	engine := memory.New(memory.Limits{})
	one, two := start(t, engine), start(t, engine)
	a, b, _ := one.chat("ann", ""), two.chat("ann", ""), two.plain("r")
	a.subscribe("r")
	b.subscribe("r")
	b.subscribe("s")
	for _, n := range []*node{one, two} {
		all := must[channelsResult](n, "channels", ``).Channels
		if len(all) != 2 || all["r"].NumClients != 3 || all["s"].NumClients != 1 {
			t.Errorf("%v", all)
		}
		if some := must[channelsResult](n, "channels", `{"pattern":"s*"}`).Channels; len(some) != 1 {
			t.Errorf("%v", some)
		}
		nodes := must[infoResult](n, "info", ``).Nodes
		slices.SortFunc(nodes, func(x, y nodeResult) int { return x.NumClients - y.NumClients })
		if len(nodes) != 2 || nodes[0].UID == nodes[1].UID || nodes[0].Version != "test" {
			t.Fatalf("%+v", nodes)
		}
		for i, want := range []nodeResult{{NumClients: 1, NumUsers: 1, NumChannels: 1, NumSubs: 1}, {NumClients: 2, NumUsers: 2, NumChannels: 2, NumSubs: 3}} {
			got := nodes[i]
			got.UID, got.Name, got.Version, got.Uptime = "", "", "", 0
			if got != want {
				t.Errorf("%+v, want %+v", got, want)
			}
		}
	}
	two.ok("subscribe", `{"channel":"t","user":"ann"}`)
	for _, c := range []*client{a, b} {
		if r := c.next(); r.Push.Subscribe == nil {
			t.Errorf("%+v", r)
		}
	}
	one.ok("disconnect", `{"user":"ann"}`)
	for _, c := range []*client{a, b} {
		if got := c.closing(); got != "closed: 3503 force disconnect" {
			t.Error(got)
		}
	}
}
