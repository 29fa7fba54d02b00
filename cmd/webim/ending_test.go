package main_test

import (
	"errors"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// testSignals checks that all clients get close code 1001, and that the program exits with 0.
func testSignals(t *testing.T, program string) {
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		r := launch(t, program, nil, "--dev", "--listen", "127.0.0.1:0")
		var all []*socket
		for range 5 {
			all = append(all, dial(t, "tcp", r.addrs[0]))
		}
		r.signal(sig)
		for _, s := range all {
			if code := s.awaitClose(); code != ws.StatusGoingAway {
				t.Errorf("%v: close code %d, want 1001", sig, code)
			}
		}
		if code := r.awaitExit(); code != 0 {
			t.Errorf("%v: exit code %d:\n%s", sig, code, r.output.String())
		}
	}
}

// testSecondSignal checks that webim waits for a client that does not answer the Close frame, and that a
// second signal ends it at once.
func testSecondSignal(t *testing.T, program string) {
	r := launch(t, program, nil, "--dev", "--listen", "127.0.0.1:0", "--close-timeout", "1h", "--shutdown-timeout", "1h")
	dial(t, "tcp", r.addrs[0]) // and never reads
	r.signal(syscall.SIGTERM)
	r.awaitLog("shutting down")
	r.signal(syscall.SIGTERM)
	if code := r.awaitExit(); code != 1 || !strings.HasSuffix(r.output.String(), "webim: a second signal (terminated) ended it before all clients had left.\n") {
		t.Errorf("exit code %d:\n%s", code, r.output.String())
	}
}

// small runs the program with few files.
var small = []string{"sh", "-c", `ulimit -n 64; exec "$0" "$@"`}

// testAtTheLimit opens more clients than the limit of open files permits. The server refuses the
// additional ones with an answer, and the others notice nothing.
func testAtTheLimit(t *testing.T, program string) {
	r := launch(t, program, small, "--dev", "--listen", "127.0.0.1:0")
	limit := int(r.awaitLog("limit of open files")["clients"].(float64))
	var all []*socket
	for range limit {
		all = append(all, dial(t, "tcp", r.addrs[0]))
	}
	for range 3 * limit {
		_, err := tryDial(t, "tcp", r.addrs[0])
		if status := ws.StatusError(0); !errors.As(err, &status) || status != http.StatusServiceUnavailable {
			t.Fatalf("one too many: %v, want 503", err)
		}
	}
	for _, s := range all {
		s.echo("still here")
	}
	_ = all[0].Close()
	retry(t, func() bool { // the server learns of it in a moment
		s, err := tryDial(t, "tcp", r.addrs[0])
		if err == nil {
			s.echo("there is room again")
		}
		return err == nil
	})
}

// testOutOfFiles runs with a --max-conns that exceeds the limit of open files.
func testOutOfFiles(t *testing.T, program string) {
	r := launch(t, program, small, "--dev", "--listen", "127.0.0.1:0", "--max-conns", "1000")
	r.awaitLog("max_conns is 1000, more than the limit of open files, which is 64, allows: lower it, or raise the limit (ulimit -n, LimitNOFILE= of systemd)")
	opened, stop := make(chan *socket), make(chan struct{})
	var clients sync.WaitGroup
	clients.Go(func() { // one after the other; the one too many waits for its answer
		for {
			s, err := tryDial(t, "tcp", r.addrs[0])
			if err != nil {
				t.Error(err)
				return
			}
			select {
			case opened <- s:
			case <-stop:
				return
			}
		}
	})
	defer clients.Wait()
	defer close(stop)
	var all []*socket
	retry(t, func() bool {
		select {
		case s := <-opened:
			all = append(all, s)
		default:
		}
		return len(r.log("netpoll: cannot accept, listener rests")) > 0
	})
	for _, s := range all {
		s.echo("still here")
	}
	for _, s := range all[:len(all)/2] {
		_ = s.Close()
	}
	select {
	case s := <-opened:
		s.echo("there is room again")
	case <-time.After(startTimeout):
		t.Errorf("nobody gets in after %d clients have left", len(all)/2)
	}
	all[len(all)-1].echo("and still here")
}
