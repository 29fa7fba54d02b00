package enginetest

import (
	"errors"
	"slices"
	"testing"

	"webim/room/engine"
)

// testNode is a node that records control messages.
type testNode struct {
	name    string
	applied []engine.ControlMessage
	fault   error
}

func (n *testNode) Apply(m engine.ControlMessage) error {
	n.applied = append(n.applied, m)
	return n.fault
}

func (n *testNode) Info(q engine.Question) engine.NodeInfo {
	return engine.NodeInfo{Node: n.name, Rooms: map[string]int{q.Rooms: 1}}
}

// testControlMessages checks that each node that was added gets each control message once, that the
// errors of nodes arrive, and that Collect asks each node.
func testControlMessages(t *testing.T, with Implementation) {
	m := with.New(Limits{})
	bad := errors.New("the node is ill")
	a, b, gone := &testNode{name: "a"}, &testNode{name: "b", fault: bad}, &testNode{name: "gone"}
	for _, n := range []*testNode{a, b, gone, a} { // a twice
		m.AddNode(n)
	}
	m.RemoveNode(gone)
	calls := 0
	m.SendControl(engine.ControlMessage{Kind: engine.ControlDisconnect, Code: 4500}, func(err error) {
		if calls++; !errors.Is(err, bad) {
			t.Errorf("the error of the node is lost: %v", err)
		}
	})
	if calls != 1 || len(a.applied) != 1 || len(b.applied) != 1 || len(gone.applied) != 0 || a.applied[0].Code != 4500 {
		t.Errorf("done %d times; applied %d, %d and %d times", calls, len(a.applied), len(b.applied), len(gone.applied))
	}
	var all []string
	m.Collect(engine.Question{Rooms: "x*"}, func(infos []engine.NodeInfo, err error) {
		for _, info := range infos {
			if all = append(all, info.Node); err != nil || info.Rooms["x*"] != 1 {
				t.Errorf("%+v, %v", info, err)
			}
		}
	})
	if slices.Sort(all); !slices.Equal(all, []string{"a", "b"}) {
		t.Errorf("collected from %v", all)
	}
}

// populated is a subscriber with members.
type populated struct {
	Recorder
	users   []string
	notices []engine.Notice
}

func (p *populated) Notify(n engine.Notice) { p.notices = append(p.notices, n) }

func (p *populated) Members(limit int) (all []engine.Author, clients int) {
	for _, user := range p.users {
		if len(p.users) <= limit {
			all = append(all, engine.Author{User: user})
		}
	}
	return all, len(p.users)
}

func (p *populated) Count(named func(user string)) (clients, users int) {
	for _, user := range slices.Compact(slices.Sorted(slices.Values(p.users))) {
		if users++; named != nil {
			named(user)
		}
	}
	return len(p.users), users
}

// testMembers checks that members and notices of all subscribers of a room come together.
func testMembers(t *testing.T, with Implementation) {
	m := with.New(Limits{})
	a, b := &populated{users: []string{"ann", "ann", "bob"}}, &populated{users: []string{"bob", "", ""}}
	check := func(wantClients, wantUsers int) {
		t.Helper()
		m.Count("r", func(clients, users int, err error) {
			if err != nil || clients != wantClients || users != wantUsers {
				t.Errorf("%d clients of %d users, %v; want %d of %d", clients, users, err, wantClients, wantUsers)
			}
		})
		for limit, want := range map[int]error{wantClients: nil, wantClients - 1: engine.ErrTooManyMembers} {
			m.Members("r", limit, func(all []engine.Author, err error) {
				if limit >= 0 && (err != want || err == nil && len(all) != wantClients) {
					t.Errorf("at most %d: %d members, %v", limit, len(all), err)
				}
			})
		}
	}
	check(0, 0)
	m.Subscribe("r", NoPayer, a)
	check(3, 2)
	m.Subscribe("r", NoPayer, b)
	check(6, 3)
	m.Notify("r", engine.Notice{Left: true, Who: engine.Author{User: "ann"}})
	m.Notify("other", engine.Notice{})
	for _, s := range []*populated{a, b} {
		if len(s.notices) != 1 || !s.notices[0].Left || s.notices[0].Who.User != "ann" {
			t.Errorf("notices: %+v", s.notices)
		}
	}
	m.Unsubscribe("r", a)
	check(3, 2)
}
