package cluster

import (
	"context"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"webim/bench/benchtest"
	"webim/bench/client"
)

// startBystander starts a bystander that sends often, and waits until the server has some of its messages.
func startBystander(t *testing.T, s *benchtest.ChatServer) *Bystander {
	t.Helper()
	b, err := StartBystander(t.Context(), client.Config{URL: s.URL, Worker: benchtest.WorkerCommand()}, "/beside", 500, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; n < 20; n, _ = s.Counted() {
		time.Sleep(time.Millisecond) // polls
	}
	return b
}

// The result of a bystander comes from its process: messages that return, and messages that are lost.
func TestBystander(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		s    *benchtest.ChatServer
		lost bool
	}{
		"all return": {s: &benchtest.ChatServer{}},
		"some are lost": {&benchtest.ChatServer{Receive: func(n int, p []byte) [][]byte {
			if n%2 == 0 {
				return nil
			}
			return [][]byte{p}
		}}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := startBystander(t, c.s.Start(t))
			grace := 20 * time.Second
			if c.lost {
				grace = time.Millisecond
			}
			seen, err := b.Stop(grace)
			if err != nil || len(seen.Trips) < 20 || seen.Gone {
				t.Fatalf("%v: %d messages, gone %v", err, len(seen.Trips), seen.Gone)
			}
			lost := 0
			for _, trip := range seen.Trips {
				if trip.Back == 0 {
					lost++
				} else if trip.Back < trip.Due {
					t.Errorf("a message returned before it was due: %+v", trip)
				}
			}
			if c.lost != (lost > 0) {
				t.Errorf("%d of %d are lost", lost, len(seen.Trips))
			}
			<-b.worker.exited
		})
	}
}

// The end of a bystander's process is an error that says how it ended.
func TestBystanderKilled(t *testing.T) {
	t.Parallel()
	b := startBystander(t, (&benchtest.ChatServer{}).Start(t))
	if err := syscall.Kill(b.worker.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Stop(time.Hour); err == nil || !strings.Contains(err.Error(), "signal: killed") {
		t.Error(err)
	}
}

// Ctrl-C while the bystander connects to a server that never answers: its process ends.
func TestBystanderInterrupted(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var accepted sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	accepted.Go(func() {
		if c, err := ln.Accept(); err == nil {
			cancel()
			defer c.Close()
			_, _ = ln.Accept() // until the test ends
		}
	})
	cfg := client.Config{URL: "ws://" + ln.Addr().String(), Timeout: time.Hour, Worker: benchtest.WorkerCommand()}
	if _, err := StartBystander(ctx, cfg, "/beside", 10, time.Hour); err == nil || !strings.Contains(err.Error(), "cancel") {
		t.Error(err)
	}
	ln.Close()
	accepted.Wait()
}
