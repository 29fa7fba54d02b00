package live

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"

	"webim/netpoll"
	"webim/netpoll/wstest"
	"webim/room/engine"
	"webim/room/engine/memory"
	"webim/room/token"
)

// apart is an engine of several nodes that may not reach each other.
type apart struct {
	*memory.Engine
	cut atomic.Bool
}

func (e *apart) Collect(q engine.Question, done func([]engine.NodeInfo, error)) {
	if e.cut.Load() {
		done(nil, engine.ErrUnavailable)
		return
	}
	e.Engine.Collect(q, done)
}

// startTwo starts two nodes of one engine.
func startTwo(t *testing.T) (a, b *node, e *apart) {
	t.Helper()
	e = &apart{Engine: memory.New(memory.Limits{})}
	return startOn(t, e, Config{}, netpoll.Config{}, netpoll.Config{}), startOn(t, e, Config{}, netpoll.Config{}, netpoll.Config{}), e
}

// TestNodes checks that the picture of one node has the counts of all nodes, and says when one does not answer.
func TestNodes(t *testing.T) {
	a, b, e := startTwo(t)
	a.chat(a.token(token.Claims{User: "ann"}), "tea")
	for _, room := range []string{"tea", "coffee"} {
		b.chat(b.token(token.Claims{User: "bob"}), room)
	}
	w, _ := a.watch()
	counts := map[string]string{a.hub.Node(): "1 1 1 1", b.hub.Node(): "2 1 2 2"}
	shown := func(m message) bool {
		if m.Nodes == nil || m.Nodes.Missing || len(m.Nodes.All) != len(counts) || m.Nodes.All[0].Node > m.Nodes.All[1].Node {
			return false
		}
		for _, n := range m.Nodes.All {
			if counts[n.Node] != fmt.Sprint(n.Connections, n.Users, n.Rooms, n.Members) || n.Uptime < 0 {
				return false
			}
		}
		return true
	}
	was := w.next("the counts of both nodes", shown).Nodes
	e.cut.Store(true)
	m := w.next("a node is missing", func(m message) bool { return m.Nodes != nil && m.Nodes.Missing }).Nodes
	if m.At < was.At || len(m.All) != 2 {
		t.Errorf("the last counts are %+v, want those of both nodes", m)
	}
	late, _ := a.watch()
	if m := late.read(); m.Nodes == nil || !m.Nodes.Missing || len(m.Nodes.All) != 2 {
		t.Errorf("a later watcher first gets %+v", m)
	}
	e.cut.Store(false)
	w.next("the counts of both nodes again", shown)
}

// TestFindOnAllNodes checks that a search on one node finds the connections of a user and the members of a room on another
// one.
func TestFindOnAllNodes(t *testing.T) {
	a, b, e := startTwo(t)
	ann := a.token(token.Claims{User: "ann"})
	_, here := a.chat(ann, "#ann")
	_, first := b.chat(ann, "#ann")
	_, second := b.chat(ann, "#ann")
	a.chat(a.token(token.Claims{User: "bob"}), "tea")
	for _, room := range []string{"tea", "tea", "team"} {
		b.chat(b.token(token.Claims{User: "carol"}), room)
	}
	wstest.Eventually(t, "all have joined", func() bool { return a.hub.Stats().Members == 2 && b.hub.Stats().Members == 5 })

	w, _ := a.watch()
	m := w.find(`{"user":"ann"}`).Found
	others := []string{}
	for _, c := range m.Elsewhere {
		others = append(others, c.Client+" "+c.User)
	}
	want := []string{first + " ann", second + " ann"}
	slices.Sort(others)
	slices.Sort(want)
	if m.All != 1 || m.Connections[0].Client != here || !slices.Equal(m.Nodes, []nodeCountJSON{{b.hub.Node(), 2}}) || !slices.Equal(others, want) || m.Missing {
		t.Errorf("ann: %+v", m)
	}
	if m := w.find(`{"user":"bob"}`).Found; m.All != 1 || len(m.Nodes)+len(m.Elsewhere) != 0 {
		t.Errorf("bob: %+v", m)
	}

	m = w.find(`{"room":"te*"}`).Found
	tea := roomNodesJSON{"tea", 3, []nodeCountJSON{{b.hub.Node(), 2}, {a.hub.Node(), 1}}}
	team := roomNodesJSON{"team", 1, []nodeCountJSON{{b.hub.Node(), 1}}}
	if m.All != 2 || fmt.Sprint(m.Rooms) != fmt.Sprint([]roomNodesJSON{tea, team}) || len(m.Connections) != 0 {
		t.Errorf("te*: %+v", m)
	}
	for who, sees := range map[string]int{`{"key":"` + key + `"}`: 1, `{"token":"` + a.token(token.Claims{User: "mo", Roles: []string{"moderator"}}) + `"}`: 0} {
		w := a.dial(a.feeds, FeedPath)
		w.say("%s", who)
		if m := w.find(`{"room":"#ann"}`).Found; len(m.Rooms) != sees || m.All != sees {
			t.Errorf("%.8s…: %+v, want %d private rooms", who, m, sees)
		}
	}

	e.cut.Store(true)
	if m := w.find(`{"user":"ann"}`).Found; m.All != 1 || !m.Missing {
		t.Errorf("while the other node cannot be reached: %+v", m)
	}
	if m := w.find(`{"room":"tea"}`).Found; m.All != 0 || !m.Missing {
		t.Errorf("while the other node cannot be reached: %+v", m)
	}
}

// TestFoundRoomsAreLimited checks that the largest rooms are found if there are too many.
func TestFoundRoomsAreLimited(t *testing.T) {
	n := engine.NodeInfo{Node: "n", Rooms: map[string]int{}}
	for i := range maxFound + 5 {
		n.Rooms[fmt.Sprintf("r%03d", i)] = i + 1
	}
	var a found
	a.addRooms([]engine.NodeInfo{n}, func(room string) bool { return room != "r104" })
	if a.All != maxFound+4 || len(a.Rooms) != maxFound || a.Rooms[0].Name != "r103" || a.Rooms[maxFound-1].Name != "r004" {
		t.Errorf("%d of %d, from %+v to %+v", len(a.Rooms), a.All, a.Rooms[0], a.Rooms[len(a.Rooms)-1])
	}
}
