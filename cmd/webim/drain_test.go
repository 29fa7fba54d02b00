package main_test

import (
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// testDrainDelay checks that after SIGTERM webim serves for --drain-delay as before, also new clients,
// while /ready answers 503; and that a second signal ends the delay, too.
func testDrainDelay(t *testing.T, program string) {
	r := launch(t, program, nil, "--dev", "--listen", "127.0.0.1:0", "--drain-delay", "1h")
	r.signal(syscall.SIGTERM)
	r.awaitLog("shutting down")
	retry(t, func() bool {
		status, body := get(t, "tcp", r.addrs[0], "/ready")
		return status == http.StatusServiceUnavailable && strings.Contains(body, `"draining"`)
	})
	client := dial(t, "tcp", r.addrs[0])
	client.echo("a new client is served")
	r.signal(syscall.SIGTERM)
	if code := r.awaitExit(); code != 1 {
		t.Errorf("after the second signal: exit code %d", code)
	}

	r = launch(t, program, nil, "--dev", "--listen", "127.0.0.1:0", "--drain-delay", "100ms")
	client = dial(t, "tcp", r.addrs[0])
	r.signal(syscall.SIGTERM)
	if code := client.awaitClose(); code != ws.StatusGoingAway {
		t.Errorf("after the delay: close code %d", code)
	}
	if code := r.awaitExit(); code != 0 {
		t.Errorf("after the delay: exit code %d", code)
	}

	r = launch(t, program, nil, "--dev", "--listen", "127.0.0.1:0", "--drain-delay", "1h")
	r.signal(syscall.SIGINT)
	if code := r.awaitExit(); code != 0 {
		t.Errorf("SIGINT: exit code %d", code)
	}
}

// testReconnectSlope checks that the goodbyes of a server under load are spread over --shutdown-spread, so that
// its clients come to the other servers as a slope and not as a step.
func testReconnectSlope(t *testing.T, program string) {
	const clients, spread, parts = 120, 2 * time.Second, 4
	r := launch(t, program, nil, "--dev", "--listen", "127.0.0.1:0", "--shutdown-spread", spread.String(), "--shutdown-timeout", "1m")
	var all []*socket
	for range clients {
		all = append(all, dial(t, "tcp", r.addrs[0]))
	}
	all[0].echo("before")
	left := make([]time.Time, clients)
	var reading sync.WaitGroup
	for i, s := range all {
		reading.Go(func() {
			s.awaitClose()
			left[i] = time.Now()
		})
	}
	talker := dial(t, "tcp", r.addrs[0])
	done := make(chan struct{})
	go func() { // load, until the server has closed the sender, too
		defer close(done)
		for ws.WriteFrame(talker, ws.MaskFrameInPlace(ws.NewTextFrame([]byte("load")))) == nil {
			time.Sleep(time.Millisecond)
		}
	}()
	r.signal(syscall.SIGTERM)
	reading.Wait()
	talker.Close()
	<-done
	first := left[0]
	for _, at := range left {
		if at.Before(first) {
			first = at
		}
	}
	var counts [parts]int
	for _, at := range left {
		counts[min(int(at.Sub(first)*parts/spread), parts-1)]++
	}
	t.Logf("clients that left in each quarter of %v: %v", spread, counts)
	for _, n := range counts {
		if n > clients*3/4 {
			t.Errorf("of %d clients, %v left in each quarter of %v", clients, counts, spread)
			break
		}
	}
	if code := r.awaitExit(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}
