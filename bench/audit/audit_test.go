package audit

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// The room r has five messages. Ann sends them. Ben loses his connection after the second, and recovers. Cem joins late.
// Dan speaks the plain dialect.
func good() *Run {
	log := func(node int) Log {
		return Log{Room: "r", Node: node, Epoch: "e", Entries: []Seen{{3, "a1"}, {5, "a2"}, {6, "a3"}, {9, "a4"}, {12, "a5"}}}
	}
	got := func(offset uint64, id string) Event {
		return Event{Kind: Received, Room: "r", Epoch: "e", Offset: offset, ID: id}
	}
	ann := []Event{{Kind: Joined, Room: "r", Epoch: "e"}}
	for i, offset := range []uint64{3, 5, 6, 9, 12} {
		id := fmt.Sprint("a", i+1)
		ann = append(ann, Event{Kind: Sent, Room: "r", ID: id}, got(offset, id), Event{Kind: Acked, Room: "r", ID: id, Epoch: "e", Offset: offset})
	}
	ann = append(ann, Event{Kind: Sent, Room: "r", ID: "a6"}, Event{Kind: Unknown, Room: "r", ID: "a6"},
		Event{Kind: Sent, Room: "r", ID: "a7"}, Event{Kind: Refused, Room: "r", ID: "a7"},
		Event{Kind: Asked, Room: "r"}, Event{Kind: Read, Room: "r", Epoch: "e", Offset: 12, Seen: []Seen{{9, "a4"}, {12, "a5"}}})
	ben := []Event{{Kind: Joined, Room: "r", Epoch: "e"}, got(3, "a1"), got(5, "a2"), {Kind: Left, Room: "r"},
		{Kind: Joined, Room: "r", Epoch: "e", Offset: 9, Asked: true, Recovered: true, Seen: []Seen{{6, "a3"}, {9, "a4"}}}, got(12, "a5")}
	cem := []Event{{Kind: Joined, Room: "r", Epoch: "e", Offset: 6}, got(9, "a4"), got(12, "a5")}
	dan := []Event{{Kind: Joined, Room: "r"}, {Kind: Received, Room: "r", ID: "a2"}, {Kind: Received, Room: "r", ID: "a3"}}
	eve := []Event{{Kind: Joined, Room: "r", Epoch: "e"}, got(3, "a1"), {Kind: Left, Room: "r"}}
	return &Run{
		Clients: []Client{{Name: "ann", User: "ann", Events: ann, Settled: true}, {Name: "ben", User: "ben", Events: ben, Settled: true},
			{Name: "cem", User: "cem", Events: cem, Settled: true}, {Name: "dan", User: "dan", Plain: true, Events: dan, Settled: true},
			{Name: "eve", User: "eve", Events: eve}},
		Logs: []Log{log(0), log(1)}, Bans: []Ban{{User: "eve", At: 10 * time.Second}}, Bound: 5 * time.Second,
	}
}

// find returns the events of a client.
func (r *Run) events(name string) *[]Event {
	i := slices.IndexFunc(r.Clients, func(c Client) bool { return c.Name == name })
	return &r.Clients[i].Events
}

// remove removes events of a client.
func (r *Run) remove(name string, f func(Event) bool) {
	all := r.events(name)
	*all = slices.DeleteFunc(*all, f)
}

// edit changes the last event of a client of this kind.
func (r *Run) edit(name string, kind Kind, f func(*Event)) {
	all := *r.events(name)
	for i := range slices.Backward(all) {
		if all[i].Kind == kind {
			f(&all[i])
			return
		}
	}
}

// logs changes the logs of all nodes.
func (r *Run) logs(f func([]Seen) []Seen) {
	for i := range r.Logs {
		r.Logs[i].Entries = f(r.Logs[i].Entries)
	}
}

func TestGoodRun(t *testing.T) {
	run := good()
	for _, v := range Check(run) {
		t.Error(v)
	}
	want := Tally{Sent: 7, Acked: 5, Refused: 1, Unknown: 1, Received: 5 + 5 + 2 + 2 + 1, Joined: 6, Recovered: 1, Read: 1, Stored: 5}
	if got := Count(run); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	run.logs(func(all []Seen) []Seen { return append(all, Seen{13, "a6"}) })
	run.edit("ann", Read, func(e *Event) { *e = Event{Kind: Received, Room: "r", Epoch: "e", Offset: 13, ID: "a6"} })
	for _, name := range []string{"ben", "cem"} {
		all := run.events(name)
		*all = append(*all, Event{Kind: Received, Room: "r", Epoch: "e", Offset: 13, ID: "a6"})
	}
	for _, v := range Check(run) {
		t.Error("a message of unknown outcome that is stored:", v)
	}
}

// TestPlantedFaults plants each fault in a good run. Check must report the rule and the place.
func TestPlantedFaults(t *testing.T) {
	is := func(kind Kind, offset uint64) func(Event) bool {
		return func(e Event) bool { return e.Kind == kind && e.Offset == offset }
	}
	for _, c := range []struct {
		name, rule, says string
		plant            func(*Run)
	}{
		{"an acknowledged message is not in the log", "lost", `"a5" was acknowledged`, func(r *Run) { r.logs(func(s []Seen) []Seen { return s[:4] }) }},
		{"what a client has received is not in the log", "phantom", `"a5" at offset 12`, func(r *Run) { r.logs(func(s []Seen) []Seen { return s[:4] }) }},
		{"acknowledged at another place", "lost", "e/11", func(r *Run) { r.edit("ann", Acked, func(e *Event) { e.Offset = 11 }) }},
		{"acknowledged in another epoch", "lost", "f/12", func(r *Run) { r.edit("ann", Acked, func(e *Event) { e.Epoch = "f" }) }},
		{"acknowledged twice at two places", "lost", "again at 13", func(r *Run) {
			all := r.events("ann")
			*all = append(*all, Event{Kind: Acked, Room: "r", ID: "a5", Epoch: "e", Offset: 13})
		}},
		{"a message is twice in the log", "twice", "[9 13]", func(r *Run) { r.logs(func(s []Seen) []Seen { return append(s, Seen{13, "a4"}) }) }},
		{"a message of unknown outcome is twice in the log", "twice", "[13 14]", func(r *Run) {
			r.logs(func(s []Seen) []Seen { return append(s, Seen{13, "a6"}, Seen{14, "a6"}) })
		}},
		{"a refused message is in the log", "unsent", "was refused", func(r *Run) { r.logs(func(s []Seen) []Seen { return append(s, Seen{13, "a7"}) }) }},
		{"nobody sent it", "unsent", "nobody sent", func(r *Run) { r.logs(func(s []Seen) []Seen { return append(s, Seen{13, "x"}) }) }},
		{"the logs of two nodes differ", "order", "node 0", func(r *Run) { r.Logs[1].Entries[2].ID = "a4" }},
		{"a node has less", "order", "5 entries there, 4 here", func(r *Run) { r.Logs[1].Entries = r.Logs[1].Entries[:4] }},
		{"two nodes have two epochs", "order", "epoch f", func(r *Run) { r.Logs[1].Epoch = "f" }},
		{"a log goes backwards", "order", "5 after 6", func(r *Run) { r.logs(func(s []Seen) []Seen { s[1], s[2] = s[2], s[1]; return s }) }},
		{"two clients saw another order", "order", `saw "a4" at offset 12`, func(r *Run) { r.edit("cem", Received, func(e *Event) { e.ID = "a4" }) }},
		{"a lost delivery", "gap", "without [9]", func(r *Run) { r.remove("cem", is(Received, 9)) }},
		{"a lost delivery after recovering", "gap", "without [6]", func(r *Run) { r.edit("ben", Joined, func(e *Event) { e.Seen = e.Seen[1:] }) }},
		{"a recovery that ends too early", "gap", "without [9]", func(r *Run) { r.edit("ben", Joined, func(e *Event) { e.Seen = e.Seen[:1] }) }},
		{"the last delivery is lost", "behind", "e/9", func(r *Run) { r.remove("cem", is(Received, 12)) }},
		{"absent at the end", "behind", "not in the room", func(r *Run) {
			all := r.events("cem")
			*all = append(*all, Event{Kind: Left, Room: "r"})
		}},
		{"a duplicate", "duplicate", "after it had seen 12", func(r *Run) {
			all := r.events("cem")
			*all = append(*all, (*all)[len(*all)-1])
		}},
		{"two deliveries in the wrong order", "duplicate", "after it had seen 12", func(r *Run) { all := *r.events("cem"); all[1], all[2] = all[2], all[1] }},
		{"a delivery after leaving", "duplicate", "outside", func(r *Run) {
			all := r.events("eve")
			*all = append(*all, Event{Kind: Received, Room: "r", Epoch: "e", Offset: 5, ID: "a2"})
		}},
		{"recovery repeats what was seen", "duplicate", "after it had seen 5", func(r *Run) {
			r.edit("ben", Joined, func(e *Event) { e.Seen = append([]Seen{{5, "a2"}}, e.Seen...) })
		}},
		{"recovery from an older node", "stale", "recovered up to offset 3", func(r *Run) { r.edit("ben", Joined, func(e *Event) { e.Offset, e.Seen = 3, nil }) }},
		{"recovery across epochs", "gap", "epoch e to f", func(r *Run) { r.edit("ben", Joined, func(e *Event) { e.Epoch = "f" }) }},
		{"recovery out of nothing", "gap", "never in the room", func(r *Run) { r.edit("cem", Joined, func(e *Event) { e.Recovered = true }) }},
		{"a publication of another epoch", "gap", "epoch f in epoch e", func(r *Run) { r.edit("cem", Received, func(e *Event) { e.Epoch = "f" }) }},
		{"a read that is older than what the client saw", "stale", "read up to offset 9", func(r *Run) { r.edit("ann", Read, func(e *Event) { e.Offset, e.Seen = 9, e.Seen[:1] }) }},
		{"a read without the last", "stale", "without [12]", func(r *Run) { r.edit("ann", Read, func(e *Event) { e.Seen = e.Seen[:1] }) }},
		{"a read with a hole", "gap", "without [6]", func(r *Run) {
			r.edit("ann", Read, func(e *Event) { e.Seen = []Seen{{5, "a2"}, {9, "a4"}, {12, "a5"}} })
		}},
		{"a plain client gets a message twice", "duplicate", `"a2"`, func(r *Run) { r.edit("dan", Received, func(e *Event) { e.ID = "a2" }) }},
		{"a plain client gets what is not in the log", "phantom", `"a6"`, func(r *Run) { r.edit("dan", Received, func(e *Event) { e.ID = "a6" }) }},
		{"a banned user receives", "banned", "6s after the ban", func(r *Run) { r.edit("eve", Received, func(e *Event) { e.At = 16 * time.Second }) }},
		{"a banned user joins", "banned", "joined", func(r *Run) { r.edit("eve", Joined, func(e *Event) { e.At = 16 * time.Second }) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			run := good()
			c.plant(run)
			found := Check(run)
			if !slices.ContainsFunc(found, func(v Violation) bool { return v.Rule == c.rule && strings.Contains(v.String(), c.says) }) {
				t.Errorf("no %s with %q: %v", c.rule, c.says, found)
			}
		})
	}
}

// TestWithinTheBound checks that a ban need not hold at once, and that being told of a loss is no violation.
func TestWithinTheBound(t *testing.T) {
	run := good()
	run.edit("eve", Received, func(e *Event) { e.At = 15 * time.Second })
	run.edit("ben", Joined, func(e *Event) { e.Recovered, e.Seen = false, nil })
	for _, v := range Check(run) {
		t.Error(v)
	}
	if got := Count(run); got.Lost != 1 || got.Recovered != 0 {
		t.Errorf("%+v", got)
	}
}
