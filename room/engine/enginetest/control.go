package enginetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"webim/room/engine"
)

// testNode is a node that records control messages.
type testNode struct {
	name  string
	fault error

	mu      sync.Mutex
	applied []engine.ControlMessage
}

func (n *testNode) Apply(m engine.ControlMessage) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.applied = append(n.applied, m)
	return n.fault
}

func (n *testNode) Info(q engine.Question) engine.NodeInfo {
	info := engine.NodeInfo{Node: n.name, Rooms: map[string]int{q.Rooms: 1}}
	if q.Ended != "" {
		info.Ended = fmt.Appendf(nil, "%q", n.name+q.Ended)
	}
	return info
}

// times counts the messages that the node has applied, which have this code.
func (n *testNode) times(code uint32) (times int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, m := range n.applied {
		if m.Code == code {
			times++
		}
	}
	return times
}

// testControlMessages checks that each node that was added gets each control message once, that the
// errors of nodes arrive, and that Collect asks each node.
func testControlMessages(t *testing.T, with Implementation) {
	c := with.start(t, Limits{})
	a, b, gone := &testNode{name: "a"}, &testNode{name: "b", fault: errors.New("the node is ill")}, &testNode{name: "gone"}
	for _, n := range []*testNode{a, gone, a} { // a twice
		c.node(0).AddNode(n)
	}
	c.node(1).AddNode(b)
	c.node(0).RemoveNode(gone)
	for i := range 2 {
		code := uint32(4500 + i)
		call(t, "SendControl", func(done func()) {
			c.node(i).SendControl(engine.ControlMessage{Kind: engine.ControlDisconnect, Code: code}, func(err error) {
				if err == nil || !strings.Contains(err.Error(), "the node is ill") {
					t.Errorf("the error of the node is lost: %v", err)
				}
				done()
			})
		})
		if a.times(code) != 1 || b.times(code) != 1 || gone.times(code) != 0 {
			t.Errorf("applied %d, %d and %d times", a.times(code), b.times(code), gone.times(code))
		}
		var all []string
		call(t, "Collect", func(done func()) {
			c.node(i).Collect(engine.Question{Rooms: "x*"}, func(infos []engine.NodeInfo, err error) {
				for _, info := range infos {
					if all = append(all, info.Node); err != nil || info.Rooms["x*"] != 1 {
						t.Errorf("%+v, %v", info, err)
					}
				}
				done()
			})
		})
		call(t, "Collect", func(done func()) {
			c.node(i).Collect(engine.Question{Ended: "ann"}, func(infos []engine.NodeInfo, err error) {
				for _, info := range infos {
					if err != nil || string(info.Ended) != fmt.Sprintf("%q", info.Node+"ann") {
						t.Errorf("%+v, %v", info, err)
					}
				}
				done()
			})
		})
		if slices.Sort(all); !slices.Equal(all, []string{"a", "b"}) {
			t.Errorf("collected from %v", all)
		}
	}
}

// populated is a subscriber with members.
type populated struct {
	Recorder
	users []string

	noticed sync.Mutex
	notices []engine.Notice
}

func (p *populated) Erased(string, time.Time) {}

func (p *populated) Notify(n engine.Notice) {
	p.noticed.Lock()
	defer p.noticed.Unlock()
	p.notices = append(p.notices, n)
}

func (p *populated) got() []engine.Notice {
	p.noticed.Lock()
	defer p.noticed.Unlock()
	return slices.Clone(p.notices)
}

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

// testMembers checks that members and notices of all subscribers of a room come together, from all
// nodes.
func testMembers(t *testing.T, with Implementation) {
	c := with.start(t, Limits{})
	a, b := &populated{users: []string{"ann", "ann", "bob"}}, &populated{users: []string{"bob", "", ""}}
	check := func(clients, users int) {
		t.Helper()
		for i := range 2 {
			checkMembers(t, c.node(i), clients, users)
		}
	}
	check(0, 0)
	c.node(0).Subscribe("r", NoPayer, a)
	a.begin(t)
	check(3, 2)
	c.node(1).Subscribe("r", NoPayer, b)
	b.begin(t)
	check(6, 3)
	c.node(0).Notify("other", engine.Notice{})
	c.node(0).Notify("r", engine.Notice{Left: true, Who: engine.Author{User: "ann"}})
	for _, s := range []*populated{a, b} {
		eventually(t, func() error {
			if got := s.got(); len(got) != 1 || !got[0].Left || got[0].Who.User != "ann" {
				return fmt.Errorf("notices: %+v", got)
			}
			return nil
		})
	}
	c.node(0).Unsubscribe("r", a)
	check(3, 2)
}

// checkMembers checks how many members a room has on all nodes, as one node counts and lists them.
func checkMembers(t *testing.T, e engine.Engine, wantClients, wantUsers int) {
	t.Helper()
	eventually(t, func() (err error) {
		call(t, "Count", func(done func()) {
			e.Count("r", func(clients, users int, failed error) {
				if failed != nil || clients != wantClients || users != wantUsers {
					err = fmt.Errorf("%d clients of %d users, %v; want %d of %d", clients, users, failed, wantClients, wantUsers)
				}
				done()
			})
		})
		return err
	})
	for limit, want := range map[int]error{wantClients: nil, wantClients - 1: engine.ErrTooManyMembers} {
		if limit < 0 {
			continue
		}
		call(t, "Members", func(done func()) {
			e.Members("r", limit, func(all []engine.Author, err error) {
				if err != want || err == nil && len(all) != wantClients {
					t.Errorf("at most %d: %d members, %v", limit, len(all), err)
				}
				done()
			})
		})
	}
}
