package upgrade

import (
	"errors"
	"io"
	"os"
	"testing"
	"time"

	"webim/netpoll/fdpass"
	"webim/netpoll/wstest"
)

// TestPatience counts how often the old process looks whether the new one gets on, before it gives up.
func TestPatience(t *testing.T) {
	for _, c := range []struct {
		name  string
		size  int64 // of the state
		moves int   // looks at which the new process has got on
		store bool
		ready int // the look at which the message comes; 0: never
		looks int
		err   error
	}{
		{"hangs at once", 100, 0, false, 0, looks, errStands},
		{"hangs later", 100, 50, false, 0, 50 + looks, errStands},
		{"gets on", 100, 60, false, 60, 60, nil},
		{"has much to restore", 2*lookSize + 1000, 5, false, 0, 5 + looks + 2, errStands},
		{"waits for its store", 100, 0, true, 30, 30, nil},
		{"hangs with an open store", 100, 1, true, 0, 1 + looks, errStands},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := impatient(t)
			p.store = c.store
			if err := p.state.Truncate(c.size); err != nil {
				t.Fatal(err)
			}
			n := 0
			err := p.try(func() error {
				if n++; n == c.ready {
					return nil
				}
				if n <= c.moves {
					_, _ = p.state.Seek(int64(n), io.SeekStart)
				}
				return os.ErrDeadlineExceeded
			})
			if n != c.looks || !errors.Is(err, c.err) {
				t.Errorf("after %d looks: %v; want %d: %v", n, err, c.looks, c.err)
			}
		})
	}
}

// TestNoPatience checks that the limit holds, also for a new process that gets on or does not tell.
func TestNoPatience(t *testing.T) {
	for name, look := range map[string]time.Duration{"gets on": time.Nanosecond, "does not tell": 0} {
		p := impatient(t)
		p.look, p.limit = look, time.Now()
		if _, _, err := p.Receive(); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// impatient returns a patient that looks all the time.
func impatient(t *testing.T) *patient {
	t.Helper()
	own, other, err := fdpass.Pair()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		own.Close()
		other.Close()
	})
	state, err := newFile("state")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { state.Close() })
	return &patient{Conn: own, state: state, limit: time.Now().Add(wstest.Patience), look: time.Nanosecond}
}
