package jetstream

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"webim/netpoll/wstest"
	"webim/room/budget"
	"webim/room/engine"
	"webim/room/engine/jetstream/internal/cluster"
)

// populated is a subscriber with one member for each of the users, who are different.
type populated struct {
	*recorder
	users []string
}

func (p *populated) Members(limit int) (all []engine.Author, clients int) {
	for _, u := range p.users[:min(len(p.users), max(limit, 0))] {
		all = append(all, engine.Author{User: u})
	}
	return all, len(p.users)
}

func (p *populated) Count(named func(string)) (clients, users int) {
	for _, u := range p.users {
		if named != nil {
			named(u)
		}
	}
	return len(p.users), len(p.users)
}

// hub is a node that records the codes that it is to apply.
type hub struct {
	name string

	mu    sync.Mutex
	codes []uint32
}

func (h *hub) Apply(m engine.ControlMessage) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.codes = append(h.codes, m.Code)
	return nil
}

func (h *hub) Info(engine.Question) engine.NodeInfo { return engine.NodeInfo{Node: h.name} }

func (h *hub) applied() []uint32 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.codes)
}

type counted struct {
	clients, users int
	err            error
}

func countOf(t testing.TB, e *Engine, room string) counted {
	t.Helper()
	c := make(chan counted, 1)
	e.Count(room, func(clients, users int, err error) { c <- counted{clients, users, err} })
	return receive(t, c)
}

func membersOf(t testing.TB, e *Engine, room string, limit int) (all []engine.Author, err error) {
	t.Helper()
	c := make(chan error, 1)
	e.Members(room, limit, func(got []engine.Author, err error) { all = got; c <- err })
	err = receive(t, c)
	return all, err
}

func controlOf(t testing.TB, e *Engine, code uint32) error {
	t.Helper()
	c := make(chan error, 1)
	e.SendControl(engine.ControlMessage{Kind: engine.ControlDisconnect, Code: code}, func(err error) { c <- err })
	return receive(t, c)
}

// TestNodes checks that members, notices and control messages reach all nodes of an engine, and that a node
// that dies or ends takes its members with it.
func TestNodes(t *testing.T) {
	s := startServer(t)
	quick := Config{nodes: cluster.Config{Beat: 50 * time.Millisecond, Lease: 5 * time.Second, Patience: 5 * time.Second}}
	a, b, c := open(t, s, quick), open(t, s, quick), open(t, s, quick)
	hubs := []*hub{{name: "a"}, {name: "b"}, {name: "c"}}
	subs := []*populated{{newRecorder(), []string{"ann", "bob"}}, {newRecorder(), []string{"bob", ""}}, {newRecorder(), []string{"cy"}}}
	for i, e := range []*Engine{a, b, c} {
		e.AddNode(hubs[i])
		e.Subscribe("r", budget.Owner{}, subs[i])
		subs[i].wait(t, "Begin", func() bool { return len(subs[i].begins) == 1 })
	}
	if got := countOf(t, c, "r"); got != (counted{5, 4, nil}) {
		t.Errorf("%+v", got)
	}
	if all, err := membersOf(t, b, "r", 5); err != nil || len(all) != 5 {
		t.Errorf("%+v, %v", all, err)
	}
	if all, err := membersOf(t, b, "r", 4); err != engine.ErrTooManyMembers || all != nil {
		t.Errorf("%+v, %v", all, err)
	}
	want := engine.Notice{Left: true, Who: engine.Author{User: "ann", Client: "c", ChanInfo: []byte("{}")}}
	a.Notify("r", want)
	for _, s := range subs {
		s.wait(t, "the notice", func() bool { return len(s.notes) == 1 })
		if n := s.notes[0]; !n.Left || n.Typing || n.Who.User != "ann" || n.Who.Client != "c" || string(n.Who.ChanInfo) != "{}" {
			t.Errorf("%+v", n)
		}
	}
	if err := controlOf(t, b, 4500); err != nil {
		t.Error(err)
	}
	for _, h := range hubs {
		if got := h.applied(); !slices.Equal(got, []uint32{4500}) {
			t.Errorf("%s: %v", h.name, got)
		}
	}
	// answering returns the number of nodes that answer to a, and 0 if one that is not known to be dead does not.
	answering := func() int {
		infos := make(chan int, 1)
		a.Collect(engine.Question{}, func(all []engine.NodeInfo, _ error) { infos <- len(all) })
		return receive(t, infos)
	}
	if n := answering(); n != 3 {
		t.Errorf("%d nodes", n)
	}

	c.nc.Close() // without a word
	wstest.Eventually(t, "c is taken for dead", func() bool { return answering() == 2 })
	wstest.Eventually(t, "the members of a dead node are gone", func() bool { return countOf(t, a, "r") == counted{4, 3, nil} })
	b.Close()
	if got := countOf(t, a, "r"); got != (counted{2, 2, nil}) {
		t.Errorf("after the farewell of a node: %+v", got)
	}
}

// TestNodesWithoutServer checks that a node that has lost the server fails at once, applies control messages
// itself, and knows the others again as soon as it is back.
func TestNodesWithoutServer(t *testing.T) {
	s := startServer(t)
	a, b := open(t, s, Config{}), open(t, s, Config{})
	h := &hub{name: "a"}
	a.AddNode(h)
	sub := &populated{newRecorder(), []string{"ann"}}
	b.Subscribe("r", budget.Owner{}, sub)
	sub.wait(t, "Begin", func() bool { return len(sub.begins) == 1 })
	a.lost(errors.New("a test"))
	if got := countOf(t, a, "r"); !errors.Is(got.err, engine.ErrUnavailable) {
		t.Errorf("%+v", got)
	}
	if err := controlOf(t, a, 4501); !errors.Is(err, engine.ErrUnconfirmed) || !slices.Equal(h.applied(), []uint32{4501}) {
		t.Errorf("%v, %v", err, h.applied())
	}
	a.back()
	if got := countOf(t, a, "r"); got != (counted{1, 1, nil}) {
		t.Errorf("%+v", got)
	}
}
