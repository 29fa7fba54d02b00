package told

import (
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"webim/netpoll/wstest"
	"webim/room/engine"
)

func TestLockOrderNamesEachMutex(t *testing.T) { wstest.LockOrder(t) }

// script runs steps on a Members, and records what the room "r" is told: "+a" joins, "-a" leaves. A step is
//
//	+a@n    node n tells a join         gone@n       node n is gone
//	-a@n    node n tells a leave        heard@n      node n is heard
//	shows@n:a,b  a list is shown        is@n:a,b     a comparison gets a list
//	ask     the list is asked for now, and not only when it comes
//	forget  the room has no members here any more
func script(t *testing.T, m *Members, told *[]string, steps string) (news string) {
	t.Helper()
	asked := false
	for step := range strings.FieldsSeq(steps) {
		what, node, _ := strings.Cut(step, "@")
		node, clients, _ := strings.Cut(node, ":")
		switch what {
		case "gone":
			m.Gone(node)
		case "heard":
			if !m.Heard(node) {
				t.Errorf("%s: the node was not gone", step)
			}
		case "shows", "is":
			if !asked {
				m.Ask("r")
			}
			asked = false
			var all []engine.Author
			for client := range strings.SplitSeq(clients, ",") {
				if client != "" {
					all = append(all, engine.Author{Client: client})
				}
			}
			m.Listed("r", []List{{node, all}}, true, what == "is")
		case "ask":
			m.Ask("r")
			asked = true
		case "forget":
			m.Forget("r")
		default:
			n := engine.Notice{Left: what[0] == '-', Who: engine.Author{Client: what[1:]}}
			if m.Notice(node, "r", n) {
				*told = append(*told, what)
			}
		}
	}
	return strings.Join(*told, " ")
}

func start(cfg Config) (m *Members, told *[]string) {
	told = new([]string)
	cfg.Go = func(f func()) { f() }
	cfg.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	cfg.Tell = func(_ string, n engine.Notice) {
		sign := "+"
		if n.Left {
			sign = "-"
		}
		*told = append(*told, sign+n.Who.Client)
	}
	return New(cfg), told
}

func TestWhatRoomsAreTold(t *testing.T) {
	for _, c := range []struct{ name, steps, told string }{
		{"a node dies", "+a@n +b@m gone@n", "+a +b -a"},
		{"twice", "+a@n gone@n gone@n", "+a -a"},
		{"a member of a list", "shows@n:a gone@n", "-a"},
		{"who has left", "+a@n -a@n gone@n", "+a -a"},
		{"a node seemed dead", "+a@n gone@n heard@n is@n:a gone@n", "+a -a +a -a"},
		{"and some have left", "+a@n +b@n gone@n heard@n is@n:b", "+a +b -a -b +b"},
		{"and its notices come late", "+a@n gone@n -a@n", "+a -a"},
		{"a leave was lost", "+a@n is@n:", "+a -a"},
		{"and comes late", "+a@n is@n: -a@n", "+a -a"},
		{"a join was lost", "shows@n:a is@n:a,b", "+b"},
		{"an old member", "+b@n is@n:a,b gone@n", "+b -a -b"},
		{"a list shows what was told as left", "+a@n gone@n heard@n shows@n:a is@n:a", "+a -a +a"},
		{"a join during a comparison", "shows@n:a ask +b@n is@n:a", "+b"},
		{"a leave during a comparison", "shows@n:a,b ask -b@n is@n:a,b", "-b"},
		{"a repeated join", "+a@n +a@n", "+a"},
		{"this node", "+a@ -a@ +a@", "+a -a +a"},
		{"a room without members here", "+a@n forget gone@n", "+a"},
		{"a comparison that comes too late", "+a@n ask forget is@n:a,b", "+a"},
	} {
		m, told := start(Config{})
		got := strings.Fields(script(t, m, told, c.steps))
		want := strings.Fields(c.told)
		if c.name == "an old member" { // the leaves are in no order
			slices.Sort(got)
			slices.Sort(want)
		}
		if c.name == "and some have left" {
			slices.Sort(got[2:4])
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %s: told %q, want %q", c.name, c.steps, got, want)
		}
	}
}

// TestTooManyMembers checks that the room that takes most is left out, and no other one.
func TestTooManyMembers(t *testing.T) {
	m, told := start(Config{MaxBytes: 100 * (memberCost + 3)})
	m.Notice("n", "small", engine.Notice{Who: engine.Author{Client: "x"}})
	for i := range 1000 {
		if !m.Notice("n", "r", engine.Notice{Who: engine.Author{Client: fmt.Sprintf("%03d", i)}}) {
			t.Fatal("a join is not told")
		}
	}
	if m.Gone("n"); strings.Join(*told, " ") != "-x" {
		t.Errorf("told %q", *told)
	}
	if m.Forget("r"); len(m.Rooms()) != 1 || m.bytes != memberCost+1 {
		t.Errorf("%d rooms, %d bytes", len(m.Rooms()), m.bytes)
	}
	script(t, m, told, "+a@n gone@n")
	if got := strings.Join(*told, " "); got != "-x +a -a" {
		t.Errorf("a room that begins anew is told %q", got)
	}
}

// TestExpire checks that nothing is left of a node that does not come back, and something of one that may.
func TestExpire(t *testing.T) {
	m, told := start(Config{Keep: time.Minute})
	script(t, m, told, "+a@n gone@n")
	m.Expire(time.Now())
	if m.bytes == 0 {
		t.Error("it was forgotten at once")
	}
	if m.Expire(time.Now().Add(time.Hour)); m.bytes != 0 || m.Heard("n") {
		t.Errorf("%d bytes are left", m.bytes)
	}
}

// TestAnySteps checks for random steps that a room is never told a join of a member that is there, nor a leave of one
// that it was not told, and that the bytes are counted right.
func TestAnySteps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m, told := start(Config{MaxBytes: 6 * memberCost})
		m.Ask("r")
		m.Listed("r", nil, true, false) // from now on, whoever is not known is new
		here := map[string]bool{}
		for range 50 {
			node, client := rapid.SampledFrom([]string{"n", "m"}).Draw(t, "node"), rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(t, "client")
			who := engine.Author{Client: node + client}
			*told = nil
			switch rapid.IntRange(0, 5).Draw(t, "step") {
			case 0:
				if m.Notice(node, "r", engine.Notice{Who: who}) {
					*told = append(*told, "+"+who.Client)
				}
			case 1:
				if here[who.Client] && m.Notice(node, "r", engine.Notice{Left: true, Who: who}) {
					*told = append(*told, "-"+who.Client)
				}
			case 2:
				m.Gone(node)
			case 3:
				m.Heard(node)
			case 4:
				m.Ask("r")
				m.Listed("r", []List{{node, []engine.Author{who}}}, true, true)
			case 5:
				m.Expire(time.Now().Add(time.Hour))
			}
			for _, one := range *told {
				if m.rooms["r"].tooBig {
					return // the room is told everything that comes
				}
				if here[one[1:]] == (one[0] == '+') {
					t.Fatalf("told %s twice", one)
				}
				here[one[1:]] = one[0] == '+'
			}
			sum := int64(0)
			for _, r := range m.rooms {
				for _, members := range r.nodes {
					for _, one := range members {
						sum += one.cost()
					}
				}
			}
			if sum != m.bytes || sum > 6*memberCost {
				t.Fatalf("%d bytes are counted as %d", sum, m.bytes)
			}
		}
	})
}
