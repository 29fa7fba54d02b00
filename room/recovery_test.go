package room_test

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"webim/netpoll"
	"webim/netpoll/wstest"
	"webim/room/engine"
	"webim/room/engine/enginetest"
	"webim/room/engine/memory"
)

// Clients are cut off at random while their room is busy, on one node or two,
// with an engine that answers at once or late: what each gets is all that was
// published, in order, once; or it is told that it missed some.
func TestRecoveryUnderLoad(t *testing.T) {
	count := 300
	if wstest.Long() {
		count = 2000
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	for _, c := range []struct {
		nodes int
		late  bool
	}{{1, false}, {2, false}, {1, true}, {2, true}} {
		t.Run(fmt.Sprintf("%d nodes, late %v", c.nodes, c.late), func(t *testing.T) {
			memory := memory.New(memory.Limits{})
			var e engine.Engine = memory
			if c.late {
				e = enginetest.NewLate(t, memory, seed)
			}
			var nodes []*node
			for range c.nodes {
				nodes = append(nodes, start(t, cutConfig(e), roomy(netpoll.Config{Workers: 2})))
			}
			stays, gaps, tr := cuts(t, nodes, memory, false, count, seed)
			if gaps > 0 {
				t.Errorf("told of %d gaps where nothing was lost", gaps)
			}
			asked, recovered, got := 0, 0, 0
			for i, some := range stays {
				if err := tr.judge(some, remembered); err != nil {
					t.Errorf("client %d: %v", i, err)
				}
				for _, s := range some {
					if s.since != nil {
						asked++
					}
					if s.again {
						recovered++
					}
					got += len(s.live) + len(s.reply)
				}
			}
			t.Logf("%d published; %d recoveries of %d asked for; %d publications", len(tr.all), recovered, asked, got)
			if recovered < asked/10 || recovered == 0 {
				t.Error("too few recoveries to tell anything")
			}
			for _, n := range nodes {
				wstest.Eventually(t, "only who talks is left", func() bool { return n.hub.Stats().Members <= 1 })
				for _, r := range n.hub.Rooms() {
					audit(t, r)
				}
			}
		})
	}
}

// The checker sees every fault that recovery could make.
func TestRecoveryCheckerSeesFaults(t *testing.T) {
	var published []engine.Publication
	for i := range 40 {
		published = append(published, engine.Publication{Message: engine.Message{Op: engine.OpJSON, Data: fmt.Append(nil, i)}, Offset: uint64(3*i + 1)})
	}
	tr := truthOf("e", published)
	at := func(i int) engine.Position { return engine.Position{Epoch: "e", Offset: tr.all[i].offset} }
	good := func() []stay {
		from := at(9)
		return []stay{
			{at: at(4), live: slices.Clone(tr.all[5:10])},
			{since: &from, at: from, again: true, reply: slices.Clone(tr.all[10:15]), live: slices.Clone(tr.all[15:25])},
		}
	}
	for name, fault := range map[string]func(s []stay){
		"a gap":                   func(s []stay) { s[1].live = slices.Delete(s[1].live, 3, 4) },
		"a gap behind the reply":  func(s []stay) { s[1].live = s[1].live[1:] },
		"a double":                func(s []stay) { s[1].live = slices.Insert(s[1].live, 3, s[1].live[3]) },
		"the reply's last again":  func(s []stay) { s[1].live = slices.Insert(s[1].live, 0, s[1].reply[4]) },
		"swapped":                 func(s []stay) { s[0].live[1], s[0].live[2] = s[0].live[2], s[0].live[1] },
		"not recovered":           func(s []stay) { s[1].again, s[1].reply = false, nil },
		"recovered without all":   func(s []stay) { s[1].reply = s[1].reply[1:] },
		"recovered all but one":   func(s []stay) { s[1].reply = s[1].reply[:4] },
		"stands where it ends":    func(s []stay) { s[1].at = at(14) },
		"recovered with one more": func(s []stay) { s[1].reply = append(s[1].reply, tr.all[15]) },
		"other data":              func(s []stay) { s[0].live[2].data = "x" },
		"another epoch":           func(s []stay) { s[1].at.Epoch = "f" },
		"no such offset":          func(s []stay) { s[1].at.Offset++ },
	} {
		s := good()
		if err := tr.judge(s, remembered); err != nil {
			t.Fatal(err)
		}
		if fault(s); tr.judge(s, remembered) == nil {
			t.Errorf("%s: not seen", name)
		}
	}
}

// What an engine loses, or says twice, is noticed: those who rely on their place
// are told, come again and have it all. What it hides is seen by the checker.
func TestRecoveryFromAnEnginesFaults(t *testing.T) {
	for _, c := range []struct {
		name  string
		fault func(p *engine.Publication) int
		seen  bool
	}{
		{"lost", everyFiftieth(func(*engine.Publication) int { return 0 }), false},
		{"twice", everyFiftieth(func(*engine.Publication) int { return 2 }), false},
		{"other data", everyFiftieth(func(p *engine.Publication) int { p.Data = []byte("0"); return 1 }), true},
	} {
		t.Run(c.name, func(t *testing.T) {
			memory := memory.New(memory.Limits{})
			e := enginetest.NewLate(t, memory, 1)
			e.Fault = c.fault
			stays, gaps, tr := cuts(t, []*node{start(t, cutConfig(e), roomy(netpoll.Config{}))}, memory, true, 300, 1)
			var err error
			for _, some := range stays {
				err = errors.Join(err, tr.judge(some, -1)) // what is lost while a client joins, it cannot recover
			}
			if (err != nil) != c.seen {
				t.Errorf("the checker says: %v", err)
			}
			if (gaps > 0) == c.seen {
				t.Errorf("%d gaps were told", gaps)
			}
		})
	}
}

func everyFiftieth(f func(p *engine.Publication) int) func(p *engine.Publication) int {
	var n atomic.Int64
	return func(p *engine.Publication) int {
		if n.Add(1)%50 == 0 {
			return f(p)
		}
		return 1
	}
}
