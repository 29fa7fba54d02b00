package attack

import (
	"bytes"
	"context"
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"webim/bench/benchtest"
	"webim/bench/client"
	"webim/bench/load"
)

// quick returns small limits for tests. It does not judge the p99, because a test machine is busy. Recovery and Grace end
// when everything has returned, so they are long for a busy machine.
func quick() Options {
	return Options{Connections: 10, Bytes: 256 << 10, Window: 2 * time.Second, Baseline: 300 * time.Millisecond, Recovery: 20 * time.Second, Grace: 20 * time.Second,
		MemorySlack: 16 << 20, Addresses: 2, Room: "attacked", Beside: "bystander"}
}

// plantedServer runs a server with a fault, in a process of its own, until the test ends.
func plantedServer(t *testing.T, fault string) (url string, pid int) {
	t.Helper()
	argv := benchtest.Command(plantedProgram, fault)
	cmd := exec.Command(argv[0], argv[1:]...)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		_ = cmd.Wait() // one of the faults ends the process
	})
	line := make([]byte, 64)
	n, err := out.Read(line)
	if err != nil {
		t.Fatal(err)
	}
	return "ws://" + strings.TrimSpace(string(line[:n])) + "/", cmd.Process.Pid
}

func run(t *testing.T, url string, pid int, o Options, names ...string) *Report {
	t.Helper()
	return runWith(t, benchtest.WorkerCommand(), url, pid, o, names...)
}

// runWith is run with a command for the bystander's process.
func runWith(t *testing.T, bystander []string, url string, pid int, o Options, names ...string) *Report {
	t.Helper()
	r, err := Run(t.Context(), client.Config{URL: url, PID: pid, Worker: bystander}, Server{}, o, names, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Each fault fails the must that it concerns, and no other one. Without a fault all musts hold.
func TestJudgesPlantedFaults(t *testing.T) {
	for fault, says := range map[string]string{
		"":       "",
		"memory": "of memory",
		"files":  "files open",
		"drop":   "bystander lost",
		"cut":    "lost its connection",
		"die":    "the server ended",
	} {
		t.Run("fault "+fault, func(t *testing.T) {
			t.Parallel()
			url, pid := plantedServer(t, fault)
			o := quick()
			switch fault {
			case "memory", "files":
				o.Recovery = 5 * time.Second // one of the two does not return, and the other one must
			case "drop":
				o.Grace = time.Second // for messages that never come
			}
			r := run(t, url, pid, o, "half-message")
			a := r.Attacks[0]
			if r.Holds() != (says == "") {
				t.Fatalf("%q: %q", fault, a.Failed)
			}
			if says != "" && !strings.Contains(a.Failed[0], says) {
				t.Errorf("%q: %q", fault, a.Failed)
			}
			if fault != "die" && len(a.Failed) > 1 {
				t.Errorf("%q also: %q", fault, a.Failed)
			}
			if first, _, _ := strings.Cut(r.Verdict(), " in "); first != map[bool]string{true: "THE MUSTS HOLD", false: "THE MUSTS DO NOT HOLD"}[says == ""] {
				t.Errorf("%q", r.Verdict())
			}
			if a.Attacker.Sent == 0 || a.Attacker.Sent > o.Bytes+64<<10 || a.Attacker.Open > o.Connections {
				t.Errorf("the attacker's bounds: %+v", a.Attacker)
			}
		})
	}
}

// If the bystander's process ends, the report says how, and the attack fails. Without a process the lab does not begin.
func TestBystanderProcess(t *testing.T) {
	t.Parallel()
	url, pid := plantedServer(t, "")
	r := runWith(t, benchtest.Command(mortalProgram, ""), url, pid, quick(), "half-message")
	if a := r.Attacks[0]; len(a.Failed) != 1 || !strings.Contains(a.Failed[0], "not measured") || !strings.Contains(a.Failed[0], "out of order") || a.Attacker.Sent == 0 {
		t.Errorf("%q, %+v", a.Failed, a.Attacker)
	}
	var text bytes.Buffer
	if err := r.WriteText(&text); err != nil || r.Holds() || !strings.Contains(text.String(), "out of order") {
		t.Errorf("%v: %s", err, text.String())
	}
	for _, c := range []struct {
		url, says string
		bystander []string
	}{
		{url, "/nonexistent", []string{"/nonexistent"}},
		{url, "it said: what", []string{"sh", "-c", "echo what >&2; exit 7"}},
		{"ws://127.0.0.1:1/", "the bystander cannot connect", benchtest.WorkerCommand()},
	} {
		if _, err := Run(t.Context(), client.Config{URL: c.url, Worker: c.bystander}, Server{}, quick(), nil, nil); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", c.says, err)
		}
	}
}

// A stall counts for all messages that were due during it.
func TestSeesABlockedBystander(t *testing.T) {
	t.Parallel()
	url, pid := plantedServer(t, "block")
	o := quick()
	o.Window = time.Second
	a := run(t, url, pid, o, "stuck-readers").Attacks[0]
	late := 0
	for _, trip := range a.Trips {
		if trip[1] > 50 {
			late++
		}
	}
	if a.Bystander.Longest < 400 || late < 3 {
		t.Errorf("longest %.0f ms, %d messages late: a stall of 600 ms holds up six", a.Bystander.Longest, late)
	}
}

// The p99 has a bound, and each message counts in the phase in which it was due.
func TestJudgesLatency(t *testing.T) {
	const ms = 1e6
	for _, c := range []struct {
		before, during float64
		holds          bool
	}{{1, 22, true}, {1, 22.5, false}, {100, 219, true}, {100, 221, false}, {0, 19, true}} {
		var trips []load.Trip
		for i := range int64(20) {
			due, took := i*100*ms, c.before
			if i >= 10 {
				took = c.during
			}
			trips = append(trips, load.Trip{Due: due + 1, Back: due + 1 + int64(took*ms)})
		}
		r := Result{}
		r.judge(Options{Latency: true}, trips, 0, 1000*ms, 2000*ms)
		if holds := len(r.Failed) == 0; holds != c.holds || r.Bystander.During < c.during-.001 {
			t.Errorf("%v: %v, %q", c, r.Bystander, r.Failed)
		}
	}
}

// An attack that does not apply is not judged.
func TestSkippedIsNotJudged(t *testing.T) {
	r := Result{Skipped: "no deflate"}
	r.judge(Options{Latency: true}, []load.Trip{{Due: 5}}, 0, 1, 10)
	if len(r.Failed) != 0 || r.late || r.Bystander.Lost != 1 {
		t.Errorf("%+v", r)
	}
}

// An attack is repeated while only the p99 fails, up to the given number of attempts.
func TestAttempts(t *testing.T) {
	t.Parallel()
	url, pid := plantedServer(t, "drop")
	o := quick()
	o.Latency, o.Attempts, o.Grace = true, 3, time.Second // for messages that never come
	if a := run(t, url, pid, o, "half-message").Attacks[0]; a.Attempts > 3 || a.Attempts < 1 || len(a.Failed) == 0 {
		t.Errorf("%d attempts, %q", a.Attempts, a.Failed)
	}
}

// Without a known process, the report has no figures of memory and files, and gives the reason. It also reports skipped
// attacks.
func TestReports(t *testing.T) {
	t.Parallel()
	url, _ := plantedServer(t, "files")
	r := run(t, url, 0, quick(), "half-message", "deflate-bomb")
	var text, page, data, table bytes.Buffer
	for _, err := range []error{r.WriteText(&text), r.WriteHTML(&page), r.WriteJSON(&data), r.WriteMarkdown(&table)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	first, _, _ := strings.Cut(text.String(), "\n")
	if first != r.Verdict() || !r.Holds() || !strings.Contains(text.String(), "not known") || !strings.Contains(text.String(), "give --pid or --cmd") {
		t.Errorf("%s", text.String())
	}
	if !strings.Contains(text.String(), "deflate-bomb was skipped: the server does not take permessage-deflate") {
		t.Errorf("%s", text.String())
	}
	if strings.Count(page.String(), "<svg") != 2 || !strings.Contains(page.String(), `class="mark"`) || strings.Contains(page.String(), "NaN") {
		t.Errorf("%s", page.String())
	}
	var back Report
	if err := json.Unmarshal(data.Bytes(), &back); err != nil || back.Schema != Schema || len(back.Attacks) != 2 || len(back.Attacks[0].Trips) == 0 {
		t.Errorf("%v: %s", err, data.String())
	}
	if strings.Count(table.String(), "\n") != 4 {
		t.Errorf("%s", table.String())
	}
}

func TestNamesAndBounds(t *testing.T) {
	plain, both := namesOf(All(client.Plain)), namesOf(All(client.Centrifuge))
	if slices.Contains(plain, "subscribe-storm") || !slices.Contains(both, "subscribe-storm") || len(both) < 15 {
		t.Errorf("%q %q", plain, both)
	}
	if _, err := find([]string{"nonsense"}, client.Plain); err == nil || !strings.Contains(err.Error(), "half-message") {
		t.Error(err)
	}
	if err := CheckTarget(client.Config{URL: "ws://192.0.2.1:9/"}, false); err == nil || !strings.Contains(err.Error(), "--allow-remote") {
		t.Error(err)
	}
	for _, url := range []string{"ws://127.0.0.1:9/", "ws://[::1]:9/"} {
		if err := CheckTarget(client.Config{URL: url}, false); err != nil {
			t.Error(err)
		}
	}
	o := quick()
	o.Connections = 0
	if _, err := Run(context.Background(), client.Config{URL: "ws://127.0.0.1:9/"}, Server{}, o, nil, nil); err == nil || !strings.Contains(err.Error(), "--connections 0") {
		t.Error(err)
	}
}
