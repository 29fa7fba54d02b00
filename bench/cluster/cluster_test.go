package cluster

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"webim/bench/benchtest"
	"webim/bench/client"
)

// Ctrl-C during handshakes that never end: Dial returns, and Close leaves no process.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp4", "127.0.0.1:0") // accepts in the kernel, never answers
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	cfg := client.Config{URL: "ws://" + ln.Addr().String(), Timeout: time.Hour, Worker: benchtest.WorkerCommand()}
	ctx, cancel := context.WithCancel(context.Background())
	var once sync.Once
	cfg.Progress = func(string, int, int) { once.Do(cancel) }
	c, err := New(cfg, 20, 2)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Dial(ctx, 0, 20); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestCannotStart(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		cfg     client.Config
		n, of   int
		expects string
	}{
		"no program":     {client.Config{URL: "ws://127.0.0.1:1/", Worker: []string{"/nonexistent"}}, 5, 2, "/nonexistent"},
		"not a worker":   {client.Config{URL: "ws://127.0.0.1:1/", Worker: []string{"sh", "-c", "echo what >&2; exit 7"}}, 5, 2, "exit status 7"},
		"its last words": {client.Config{URL: "ws://127.0.0.1:1/", Worker: []string{"sh", "-c", "echo what >&2; exit 7"}}, 5, 2, "it said: what"},
		"too few":        {client.Config{URL: "ws://127.0.0.1:1/"}, 1, 2, "at least one client"},
		"bad URL":        {client.Config{URL: "nonsense"}, 5, 2, "ws://"},
	} {
		if _, err := New(c.cfg, c.n, c.of); err == nil || !strings.Contains(err.Error(), c.expects) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A worker survives invalid requests and returns an error for each.
func TestServeWorkerNonsense(t *testing.T) {
	t.Parallel()
	if err := ServeWorker(strings.NewReader("nonsense, and a lot of it"), io.Discard); err == nil {
		t.Error("nonsense: no error")
	}
	if err := ServeWorker(strings.NewReader(""), io.Discard); err != nil {
		t.Errorf("nothing: %v", err)
	}
	ours, theirs := io.Pipe()
	back, answers := io.Pipe()
	served := make(chan error)
	go func() {
		err := ServeWorker(ours, answers)
		answers.Close()
		served <- err
	}()
	c := newCaller(back, theirs)
	for _, o := range []request{{Do: doDial, To: 5}, {Do: doStatus}, {Do: doFlood}, {Do: doSetup}, {Do: doBystand}, {Do: doSeen}} {
		if _, err := c.call(o); err == nil {
			t.Errorf("request %d before the setup: no error", o.Do)
		}
	}
	e := setup{Config: client.Config{URL: "ws://127.0.0.1:1/"}, Clients: 2}
	if _, err := c.call(request{Do: doSetup, Setup: &e}); err != nil {
		t.Error(err)
	}
	for _, o := range []request{{Do: doSend}, {Do: doAwait}, {Do: doSoFar}, {Do: doHalt}, {Do: doCollect}, {Do: doFlood}, {Do: doFlood, Flood: &floodRequest{Size: "128", Senders: 9, Send: true}},
		{Do: doExpect, Size: "x"}, {Do: doSetup, Setup: &e}, {Do: doDial, From: 1, To: 7}, {Do: 99}} {
		if _, err := c.call(o); err == nil {
			t.Errorf("request %d: no error", o.Do)
		}
	}
	theirs.Close()
	if err := <-served; err != nil {
		t.Error(err)
	}
	<-c.ended
	if _, err := c.call(request{Do: doStatus}); !errors.Is(err, errPipeClosed) {
		t.Errorf("after the end: %v", err)
	}
}

// The shares of all processes add up, for every number of clients.
func TestShares(t *testing.T) {
	t.Parallel()
	for n := range 40 {
		for processes := 1; processes < 7; processes++ {
			sum := 0
			for k := range processes {
				sum += share(n, k, processes)
			}
			if sum != n {
				t.Fatalf("%d clients in %d processes: %d", n, processes, sum)
			}
		}
	}
}
