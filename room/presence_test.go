package room_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/centrifugal/protocol"

	"webim/netpoll"
	"webim/netpoll/wstest"
	"webim/room/engine"
	"webim/room/engine/memory"
	"webim/room/token"
	"webim/room/wire"
)

// TestCounts checks that presence_stats is exact at once, on one node and on two nodes of one
// engine, for users on several devices, on both nodes and in both dialects, and for anonymous
// clients, which count as one user. The first question may come with the first member or with the
// last.
func TestCounts(t *testing.T) {
	for _, nodes := range []int{1, 2} {
		for _, late := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d nodes, asked late: %t", nodes, late), func(t *testing.T) { testCounts(t, nodes, late) })
		}
	}
}

func testCounts(t *testing.T, count int, late bool) {
	engine := memory.New(memory.Limits{})
	c := openConfig()
	c.Engine = engine
	verifier, sign := tokens(t)
	c.Tokens = verifier
	var nodes []*node
	for range count {
		nodes = append(nodes, start(t, c, netpoll.Config{}))
	}
	names := []string{"", "ann", "bob", "carol"}
	tokenOf := func(name string) string {
		if name == "" {
			return ""
		}
		return sign(token.Claims{User: name}, 0)
	}
	type member struct {
		name string
		k    *protocolClient // nil: the plain dialect
		old  *client
		in   bool
	}
	var all []*member
	come := func(n *node, name string, enc wire.Encoding) *member {
		k := n.open(enc)
		if r := k.Ask(&protocol.Command{Connect: &protocol.ConnectRequest{Token: tokenOf(name)}}); r.Connect == nil {
			t.Fatalf("connecting: %v", r)
		}
		return &member{name: name, k: k}
	}
	watchers := []*member{come(nodes[0], "", wire.JSON), come(nodes[count-1], "ann", wire.Protobuf)}
	total := func() int { return present(nodes[0].hub, "r") }
	check := func(what string) {
		t.Helper()
		clients, users := 0, map[string]bool{}
		for _, m := range all {
			if m.in {
				clients++
				users[m.name] = true
			}
		}
		for i, w := range watchers {
			got := w.k.Ask(&protocol.Command{PresenceStats: &protocol.PresenceStatsRequest{Channel: "r"}}).PresenceStats
			if int(got.GetNumClients()) != clients || int(got.GetNumUsers()) != len(users) {
				t.Fatalf("%s: node %d counts %v, want %d connections of %d users", what, i, got, clients, len(users))
			}
		}
	}
	check("nobody")
	for i := range 16 {
		n, name := nodes[i%count], names[i/2%4]
		m := &member{name: name}
		if i < 4 || i >= 12 {
			m = come(n, name, bothEncodings[i/4%2])
			m.k.Subscribe(&protocol.SubscribeRequest{Channel: "r"})
		} else {
			before, path := total(), "/r"
			if name != "" {
				path += "?token=" + tokenOf(name)
			}
			m.old = n.join(path, noDeflate)
			wstest.Eventually(t, "the plain client is a member", func() bool { return total() == before+1 })
		}
		m.in = true
		all = append(all, m)
		if !late || i == 15 {
			check(fmt.Sprintf("connection %d, of %q, came", i, name))
		}
	}
	for _, i := range rand.New(rand.NewPCG(1, 2)).Perm(len(all)) {
		m, before := all[i], total()
		m.in = false
		switch {
		case m.k == nil:
			m.old.leave(t)
		case i%2 == 0:
			m.k.Conn.Close()
		default:
			m.k.Ask(&protocol.Command{Unsubscribe: &protocol.UnsubscribeRequest{Channel: "r"}})
			check(fmt.Sprintf("connection %d, of %q, unsubscribed", i, m.name))
			m.k.Subscribe(&protocol.SubscribeRequest{Channel: "r"})
			m.k.Ask(&protocol.Command{Unsubscribe: &protocol.UnsubscribeRequest{Channel: "r"}})
		}
		wstest.Eventually(t, "it has left", func() bool { return total() == before-1 })
		check(fmt.Sprintf("connection %d, of %q, left", i, m.name))
	}
}

// TestLongListsAreNotMade checks that a room counts its members to find out that they are more
// than may be listed, on one node and on two, and allocates nothing for a member.
func TestLongListsAreNotMade(t *testing.T) {
	const members = 60
	c := openConfig()
	c.Engine, c.MaxPresence = memory.New(memory.Limits{}), members-1
	here, there := start(t, c, netpoll.Config{}), start(t, c, netpoll.Config{})
	here.joinAll(members/2, "/r", plain)
	there.joinAll(members/2-1, "/r", plain)
	listed := func() (n int, err error) {
		here.hub.Presence("r", func(all []engine.Author, e error) { n, err = len(all), e })
		return n, err
	}
	if n, err := listed(); n != members-1 || err != nil {
		t.Fatalf("at the limit: %d, %v", n, err)
	}
	there.joinAll(1, "/r", plain)
	if n, err := listed(); n != 0 || err != wire.ErrNotAvailable {
		t.Fatalf("beyond the limit: %d, %v", n, err)
	}
	r := here.room("r")
	if all, n := r.Members(members/2 - 1); all != nil || n != members/2 {
		t.Errorf("one node lists %d and counts %d", len(all), n)
	}
	if n := testing.AllocsPerRun(10, func() { r.Members(members/2 - 1) }); n > 0 {
		t.Errorf("counting allocates %v times", n)
	}
}

// BenchmarkPresenceStats counts a room of 2,000 members, each of another user, that was counted
// before: it walks nothing.
func BenchmarkPresenceStats(b *testing.B) {
	const members = 2000
	c := openConfig()
	verifier, sign := tokens(b)
	c.Tokens = verifier
	n := start(b, c, netpoll.Config{})
	for i := range members {
		k := n.open(wire.JSON)
		if r := k.Ask(&protocol.Command{Connect: &protocol.ConnectRequest{Token: sign(token.Claims{User: fmt.Sprint("user ", i)}, 0)}}); r.Connect == nil {
			b.Fatal(r)
		}
		k.Subscribe(&protocol.SubscribeRequest{Channel: "r"})
	}
	b.ReportAllocs()
	for b.Loop() {
		n.hub.PresenceStats("r", func(clients, users int, err error) {
			if clients != members || users != members || err != nil {
				b.Fatal(clients, users, err)
			}
		})
	}
}
