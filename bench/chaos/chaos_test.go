package chaos

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"webim/bench/audit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestPlan checks that a seed repeats its plan, that plans differ, and that faults take turns with each part of the system.
func TestPlan(t *testing.T) {
	kinds := map[string]bool{}
	for seed := range uint64(50) {
		plan := Plan(seed, time.Minute, Kinds)
		if !reflect.DeepEqual(plan, Plan(seed, time.Minute, Kinds)) {
			t.Errorf("seed %d has two plans", seed)
		}
		if reflect.DeepEqual(plan, Plan(seed+1, time.Minute, Kinds)) {
			t.Errorf("seeds %d and %d have one plan", seed, seed+1)
		}
		if len(plan) < 10 {
			t.Errorf("seed %d has %d faults in a minute", seed, len(plan))
		}
		for i, f := range plan {
			kinds[f.Kind] = true
			if f.At+f.For > time.Minute || f.For <= 0 {
				t.Errorf("seed %d: %s ends after the run", seed, f)
			}
			if f.Kind == clock && f.Step == 0 || f.Kind == drop && (f.Share < 0.2 || f.Share > 1) {
				t.Errorf("seed %d: %s does nothing", seed, f)
			}
			for _, other := range plan[:i] {
				if other.part() == f.part() && other.At+other.For > f.At {
					t.Errorf("seed %d: %s and %s at the same time", seed, other, f)
				}
			}
		}
	}
	if len(kinds) != len(Kinds) {
		t.Errorf("only %v occur", kinds)
	}
	if plan := Plan(1, time.Minute, []string{drop}); len(plan) == 0 || slices.ContainsFunc(plan, func(f Fault) bool { return f.Kind != drop }) {
		t.Errorf("asked for %s alone: %v", drop, plan)
	}
}

// TestMemberIsSettled checks that a member that waits for the outcome of a message, or has one to send again, is not settled: the
// message may still come into the log.
func TestMemberIsSettled(t *testing.T) {
	const room = "r"
	end, one := position{"e", 7}, &message{id: "c1-1", room: room, key: true}
	for _, c := range []struct {
		name    string
		waiting map[uint32]command
		again   []*message
		want    bool
	}{
		{"nothing", nil, nil, true},
		{"a read waits", map[uint32]command{1: {kind: audit.Read, room: room}}, nil, true},
		{"a message waits", map[uint32]command{1: {kind: audit.Acked, room: room, message: one}}, nil, false},
		{"a message has to be sent again", nil, []*message{one}, false},
	} {
		m := &member{rooms: []string{room}, in: map[string]bool{room: true}, at: map[string]position{room: end}, waiting: c.waiting, again: c.again}
		if got := m.has(room, end); got != c.want {
			t.Errorf("%s: has reports %v", c.name, got)
		}
	}
}

func TestWrongOptions(t *testing.T) {
	good := Options{For: time.Minute, Clients: 20, Rooms: 2, Rate: 1, Webim: os.Args[0], NATS: os.Args[0]}
	for says, change := range map[string]func(*Options){
		"":           func(*Options) {},
		"--only":     func(o *Options) { o.Only = []string{"flood"} },
		"--clients":  func(o *Options) { o.Clients = 1 },
		"--rooms":    func(o *Options) { o.Rooms = 1 },
		"--rate":     func(o *Options) { o.Rate = 0 },
		"--for":      func(o *Options) { o.For = time.Second },
		"make chaos": func(o *Options) { o.NATS = "/no/such/file" },
	} {
		o := good
		change(&o)
		if err := o.check(); (err == nil) != (says == "") || err != nil && !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v", says, err)
		}
	}
}

// build builds webim and nats-server without the race detector, as make chaos does.
func build(t *testing.T) (webim, nats string) {
	t.Helper()
	dir := t.TempDir()
	webim, nats = filepath.Join(dir, "webim"), filepath.Join(dir, "nats-server")
	for _, args := range [][]string{
		{"build", "-tags", "chaos", "-o", webim, "../../cmd/webim"},
		{"build", "-o", nats, "github.com/nats-io/nats-server/v2"},
	} {
		cmd := exec.Command("go", args...)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	return webim, nats
}

// TestChaos makes a short run with a fixed seed, and with WEBIM_LONG=1 some long ones with seeds that the log names. Then it
// plants faults in the record of the real run: the rules must find each.
func TestChaos(t *testing.T) {
	o := Options{Seed: 1, For: 20 * time.Second, Clients: 60, Rooms: 4, Rate: 60, Bound: 30 * time.Second, CatchUp: 2 * time.Minute}
	o.Webim, o.NATS = build(t)
	r := runOnce(t, o)
	testPlanted(t, r.run)
	if os.Getenv("WEBIM_LONG") != "" {
		for range 5 {
			o.Seed, o.For = 0, 2*time.Minute
			runOnce(t, o)
		}
	}
}

func runOnce(t *testing.T, o Options) *Report {
	t.Helper()
	r, err := Run(t.Context(), o, func(line string) { fmt.Fprintln(t.Output(), line) })
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if err := r.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	t.Log(text.String())
	if !r.Holds() {
		t.Fatal("violated: see above")
	}
	if min := 10 * int(o.For.Seconds()); r.Tally.Acked < min || r.Tally.Recovered == 0 || r.Tally.Read == 0 || len(r.Bans) == 0 {
		t.Errorf("too little was done: %+v", r.Tally)
	}
	return r
}

// testPlanted plants one fault at a time in a run that holds.
func testPlanted(t *testing.T, run *audit.Run) {
	// A message that was acknowledged, in the first log, and a client that received it between two others.
	log := &run.Logs[0]
	client, at := -1, -1
	for i := range run.Clients {
		all := run.Clients[i].Events
		for k := 1; k < len(all)-1 && client < 0; k++ {
			if !run.Clients[i].Plain && run.Clients[i].Settled && all[k].Kind == audit.Received && all[k].ID != "" && all[k].Room == log.Room &&
				all[k+1].Kind == audit.Received && all[k+1].Room == log.Room {
				client, at = i, k
			}
		}
	}
	if client < 0 {
		t.Fatal("no client has received two messages of a room in a row")
	}
	events := run.Clients[client].Events
	place := slices.IndexFunc(log.Entries, func(s audit.Seen) bool { return s.ID == events[at].ID })
	for _, c := range []struct {
		rule  string
		plant func(*audit.Run)
	}{
		{"phantom", func(r *audit.Run) {
			for i := range r.Logs {
				r.Logs[i].Entries = slices.DeleteFunc(slices.Clone(r.Logs[i].Entries), func(s audit.Seen) bool { return s.ID == events[at].ID })
			}
		}},
		{"twice", func(r *audit.Run) {
			entries := slices.Clone(log.Entries)
			r.Logs[0].Entries = append(entries, audit.Seen{Offset: entries[len(entries)-1].Offset + 1, ID: entries[place].ID})
		}},
		{"order", func(r *audit.Run) {
			r.Logs[0].Entries = slices.Clone(log.Entries)
			r.Logs[0].Entries[place].ID, r.Logs[0].Entries[place+1].ID = log.Entries[place+1].ID, log.Entries[place].ID
		}},
		{"gap", func(r *audit.Run) { r.Clients[client].Events = slices.Delete(slices.Clone(events), at, at+1) }},
		{"duplicate", func(r *audit.Run) { r.Clients[client].Events = slices.Insert(slices.Clone(events), at, events[at]) }},
		{"stale", func(r *audit.Run) {
			read := audit.Event{Kind: audit.Read, Room: log.Room, Epoch: log.Epoch, Offset: events[at].Offset - 1}
			r.Clients[client].Events = slices.Insert(slices.Clone(events), at+1, audit.Event{Kind: audit.Asked, Room: log.Room}, read)
		}},
		{"behind", func(r *audit.Run) { r.Clients[client].Events = events[:at] }},
		{"banned", func(r *audit.Run) { r.Bans = append(r.Bans, audit.Ban{User: r.Clients[client].User, At: -r.Bound}) }},
	} {
		copied := *run
		copied.Clients, copied.Logs, copied.Bans = slices.Clone(run.Clients), slices.Clone(run.Logs), slices.Clone(run.Bans)
		c.plant(&copied)
		if found := audit.Check(&copied); !slices.ContainsFunc(found, func(v audit.Violation) bool { return v.Rule == c.rule }) {
			t.Errorf("a planted %s was not found: %v", c.rule, found[:min(len(found), 3)])
		}
	}
}

// TestCommandOfAReport checks that the command in a report has all flags on which the faults depend.
func TestCommandOfAReport(t *testing.T) {
	o := Options{For: time.Minute, Clients: 90, Rooms: 6, Rate: 1.5}
	const all = "webim-bench chaos --seed 7 --for 1m0s --clients 90 --rooms 6 --rate 1.5"
	for _, c := range []struct {
		only []string
		want string
	}{{Kinds, all}, {nil, all + " --only none"}, {[]string{drop, clock}, all + " --only drop,clock"}} {
		o.Only = c.only
		if got := (&Report{Seed: 7, Options: o}).command(); got != c.want {
			t.Errorf("faults %v: %s", c.only, got)
		}
	}
}
