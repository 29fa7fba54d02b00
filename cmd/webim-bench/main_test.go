package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"webim/bench/peer"
	"webim/bench/report"
	"webim/netpoll/wstest"
)

// asProgram makes the test binary the program.
const asProgram = "WEBIM_BENCH_TEST_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	code := m.Run()
	if built.dir != "" {
		_ = os.RemoveAll(built.dir)
	}
	os.Exit(code)
}

var built struct {
	once sync.Once
	dir  string
	err  error
}

// buildPrograms returns both programs of this module, built without the race detector. Tests that
// put load on the machine use them: the detector would take most of the time.
func buildPrograms(t *testing.T) (webim, bench string) {
	t.Helper()
	built.once.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "webim-bench-test"); built.err != nil {
			return
		}
		cmd := exec.Command("go", "build", "-o", built.dir, "../webim", ".")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			built.err = fmt.Errorf("go build: %w\n%s", err, out)
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return filepath.Join(built.dir, "webim"), filepath.Join(built.dir, "webim-bench")
}

// program runs the test binary as the program and returns its output and its exit code.
func program(t *testing.T, args ...string) (out string, code int) {
	t.Helper()
	return runProgram(t, os.Args[0], args...)
}

// runProgram runs a program to its end. A variable turns off the second of sleep with which the race detector
// ends a program.
func runProgram(t *testing.T, name string, args ...string) (out string, code int) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), asProgram+"=1", "GORACE=atexit_sleep_ms=0")
	var b bytes.Buffer
	cmd.Stdout, cmd.Stderr = &b, &b
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return b.String(), cmd.ProcessState.ExitCode()
}

func TestWrongFlags(t *testing.T) {
	t.Parallel()
	cases := []struct{ args, says string }{
		{"", "expected one of"},
		{"nonsense", "nonsense"},
		{"flood --rat 5", "--rat"},
		{"flood --rate x", "x"},
		{"flood --size 3", "--size 3"},
		{"flood --senders 0", "--senders 0"},
		{"flood --clients 0", "--clients"},
		{"flood --url http://127.0.0.1/", "ws://"},
		{"flood --runs 0", "--runs"},
		{"compare nosuch.json nosuch.json", "nosuch.json"},
		{"flood --size 128:0", "weight"},
		{"flood --size 64-", "64-1024"},
		{"flood --size 8-100", "at least 16"},
		{"flood --pid 1 --cmd x", "--pid"},
		{"flood --pid 4194304", "no such process"},
		{"flood --header nonsense", "Name: value"},
		{"idle --clients 5,4", "rise"},
		{"rooms --members 5,0", "--members 0"},
		{"rooms --members 50 --clients 40", "--clients 40"},
		{"rooms --members 2 --senders 3", "--senders 3"},
		{"floor --listen nonsense", "--listen"},
		{"suite --repeat 0", "--repeat"},
		{"suite --peers nonsense", "gorilla"},
		{"storm --processes 2", "--processes"},
		{"chaos --only nonsense", "kill-webim"},
		{"chaos --clients 1", "at least 10"},
		{"million --servers many", "auto"},
		{"million --clients 100000000", "or give --clients"},
		{"million --clients 30 --servers 40", "to each server"},
		{"peers", "expected one of"},
		{"peers build nonsense", "gorilla"},
		{"flood --dialect klingon", "centrifuge"},
		{"flood --channel lobby", "--dialect centrifuge"},
		{"flood --dialect centrifuge --compress", "--compress"},
		{"flood --dialect centrifuge --subprotocol centrifuge-protobuf", "centrifuge-json"},
	}
	for _, c := range cases {
		out, code := program(t, strings.Fields(c.args)...)
		if code != exitUsage || !strings.Contains(out, c.says) || strings.Count(strings.TrimSpace(out), "\n") != 0 {
			t.Errorf("%q: exit %d, said %q; want %d and %q", c.args, code, out, exitUsage, c.says)
		}
	}
}

func TestPeersList(t *testing.T) {
	out, code := program(t, "peers", "list")
	if code != 0 || !strings.Contains(out, "gorilla/websocket v1.5.3") || !strings.Contains(out, "swoole") {
		t.Errorf("exit %d: %s", code, out)
	}
}

// The two peers with the shortest build; at full size, all that can run here.
func TestPeersSmoke(t *testing.T) {
	t.Parallel()
	args, want := []string{"peers", "smoke"}, 0
	if !wstest.Long() {
		args, want = append(args, "gws", "coder"), 2
	} else {
		for _, p := range peer.All() {
			if p.Absent(t.Context()) == "" {
				want++
			}
		}
	}
	out, code := program(t, args...)
	if code != 0 || strings.Count(out, "is a chat room\n") != want {
		t.Errorf("exit %d: %s\nThe module bench/peers could not be built, or is wrong. What it imports is fetched the first time: if that failed, "+
			"run make peers where Go's module proxy can be reached.", code, out)
	}
}

func TestNobodyThere(t *testing.T) {
	t.Parallel()
	out, code := program(t, "flood", "--url", "ws://"+wstest.FreeAddr(t).String()+"/", "--clients", "20")
	if code != exitFailed || !strings.Contains(out, "connection refused") {
		t.Errorf("exit %d: %s", code, out)
	}
}

// The whole program, with a server that it starts itself.
func TestFloodOfTheFloor(t *testing.T) {
	t.Parallel()
	at, name := wstest.FreeAddr(t).String(), filepath.Join(t.TempDir(), "report.json")
	out, code := program(t, "flood", "--url", "ws://"+at+"/", "--cmd", "/usr/bin/env "+asProgram+"=1 "+os.Args[0]+" floor --listen "+at,
		"--clients", "20", "--senders", "2", "--rate", "100", "--seconds", "0.3", "--json", name)
	if code != 0 && code != exitLimited { // on a busy machine the client may be the bottleneck
		t.Fatalf("exit %d: %s", code, out)
	}
	if !strings.Contains(out, "600") || !strings.Contains(out, "Linux") {
		t.Errorf("said %s", out)
	}
	b, err := os.ReadFile(name)
	var r struct {
		Schema string
		Flood  []struct{ Lost int }
	}
	if err != nil || json.Unmarshal(b, &r) != nil || r.Schema == "" || len(r.Flood) != 1 || r.Flood[0].Lost != 0 {
		t.Errorf("%v: %s", err, b)
	}
	if c, err := net.Dial("tcp", at); err == nil {
		c.Close()
		t.Error("the server still runs")
	}
}

// Worker processes are the program itself.
func TestProcesses(t *testing.T) {
	t.Parallel()
	out, code := program(t, "flood", "--url", "ws://"+wstest.FreeAddr(t).String()+"/", "--processes", "2", "--clients", "20")
	if code != exitFailed || !strings.Contains(out, "connection refused") {
		t.Errorf("exit %d: %s", code, out)
	}
	out, code = program(t, "million", "--clients", "60", "--servers", "2", "--hold", "0s", "--settle", "1ms",
		"--cmd", "/usr/bin/env "+asProgram+"=1 "+os.Args[0]+" floor --listen 127.0.0.1:0")
	if code != 0 || !strings.Contains(out, "memory of 60 clients") {
		t.Errorf("exit %d: %s", code, out)
	}
	cmd := exec.Command(os.Args[0], "worker")
	cmd.Env = append(os.Environ(), asProgram+"=1")
	cmd.Stdin = strings.NewReader("somebody tries it out\n")
	if said, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(said), "only webim-bench itself") {
		t.Errorf("%v: %s", err, said)
	}
}

// Nodes of webim have one room together: a message to it reaches the clients of all nodes, and each node knows their number.
func TestMillionOnNodes(t *testing.T) {
	t.Parallel()
	webim, bench := buildPrograms(t)
	name := filepath.Join(t.TempDir(), "million.json")
	out, code := runProgram(t, bench, "million", "--clients", "100", "--servers", "3", "--hold", "0s", "--settle", "1ms", "--rounds", "2", "--webim", webim, "--json", name)
	if code != 0 {
		t.Fatalf("exit %d: %s", code, out)
	}
	var r report.Report
	b, err := os.ReadFile(name)
	if err != nil || json.Unmarshal(b, &r) != nil {
		t.Fatalf("%v %s", err, b)
	}
	one := r.Million.OneRoom
	if one == nil || !slices.Equal(one.Members, []int{100, 100}) || one.Room.Lost+one.Floor.Lost != 0 || r.Million.Gone != 0 {
		t.Errorf("%+v %s", one, out)
	}
	for name, figure := range map[string]float64{"last": one.Room.Last.Min, "last at the floor": one.Floor.Last.Min, "servers": one.Room.Server.Min, "clients": one.Room.Client.Min, "NATS": float64(one.NATS)} {
		if figure <= 0 {
			t.Errorf("%s: %v was measured: %s", name, figure, out)
		}
	}
}

// All clients recover the messages that they missed, after each restart of a server with a store, and none after that of
// a server without one.
func TestRestart(t *testing.T) {
	t.Parallel()
	webim, bench := buildPrograms(t)
	for _, c := range []struct {
		engine, members string
		recovered       int
	}{{"--data " + filepath.Join(t.TempDir(), "store"), "3", 30}, {"--engine memory", "0", 0}} {
		at, name := wstest.FreeAddr(t).String(), filepath.Join(t.TempDir(), "restart.json")
		out, code := runProgram(t, bench, "restart", "--url", "ws://"+at+"/", "--cmd", webim+" serve --dev --listen "+at+" "+c.engine,
			"--clients", "30", "--members", c.members, "--missed", "4", "--rounds", "2", "--json", name)
		if code != 0 {
			t.Fatalf("exit %d: %s", code, out)
		}
		var r report.Report
		b, err := os.ReadFile(name)
		if err != nil || json.Unmarshal(b, &r) != nil || r.Restart == nil || len(r.Restart.Rounds) != 2 {
			t.Fatalf("%v %s", err, b)
		}
		for _, round := range r.Restart.Rounds {
			if round.Recovered != c.recovered || round.Lost != 30-c.recovered || round.Wrong+round.Absent != 0 || round.ServingSeconds <= 0 || round.CPU <= 0 {
				t.Errorf("%+v", round)
			}
		}
	}
}

// If the program ends for any reason, its servers and workers end, too.
func TestKilled(t *testing.T) {
	t.Parallel()
	killed(t, 4, "million", "--clients", "20", "--servers", "2", "--hold", "1h", "--settle", "1ms", "--cmd", os.Args[0]+" floor --listen 127.0.0.1:0")
	at := wstest.FreeAddr(t).String()
	killed(t, 2, "attack", "--url", "ws://"+at+"/", "--only", "half-message", "--baseline", "10m", "--cmd", os.Args[0]+" floor --listen "+at) // the server and the bystander
}

// killed starts the program, kills it when it has so many children, and waits for their end.
func killed(t *testing.T, processes int, args ...string) {
	t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var children []string
	deadline := time.Now().Add(time.Minute)
	for len(children) < processes && time.Now().Before(deadline) {
		children = nil
		lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", cmd.Process.Pid))
		for _, list := range lists {
			b, _ := os.ReadFile(list)
			children = append(children, strings.Fields(string(b))...)
		}
		time.Sleep(time.Millisecond) // polls
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait() // the test has killed it
	if len(children) != processes {
		t.Fatalf("children: %v", children)
	}
	for _, pid := range children {
		for {
			line, _ := os.ReadFile("/proc/" + pid + "/cmdline") // empty for a process that has ended
			if len(line) == 0 {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("process %s is left: %q", pid, line)
			}
			time.Sleep(time.Millisecond) // polls
		}
	}
}

// Ctrl-C at any time ends the program and the server that it started.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	at := wstest.FreeAddr(t).String()
	cmd := exec.Command(os.Args[0], "flood", "--url", "ws://"+at+"/", "--clients", "20", "--seconds", "600",
		"--cmd", "/usr/bin/env "+asProgram+"=1 "+os.Args[0]+" floor --listen "+at)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(time.Millisecond) { // until the server is up
		if c, err := net.Dial("tcp", at); err == nil {
			c.Close()
			break
		}
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // the exit code says it
	if code := cmd.ProcessState.ExitCode(); code != exitInterrupted {
		t.Errorf("exit %d", code)
	}
	if c, err := net.Dial("tcp", at); err == nil {
		c.Close()
		t.Error("the server still runs")
	}
}

// A scenario's own flags come before those of all scenarios.
func TestHelpBeginsWithTheScenario(t *testing.T) {
	for scenario, own := range map[string]string{"flood": "--rate", "storm": "--stay", "attack": "--only"} {
		out, code := program(t, scenario, "--help")
		a, b := strings.Index(out, own), strings.Index(out, "--url=")
		if code != 0 || a < 0 || b < 0 || a > b || !strings.Contains(out[a:b], "Flags of all scenarios:") {
			t.Errorf("%s: exit %d, %s at %d, --url at %d: %s", scenario, code, own, a, b, out)
		}
	}
}
