package wstest

import (
	"os"
	"testing"
	"time"
)

// Patience is the deadline for everything that a test waits for: a minute, and ten at full size, where thousands of clients
// share the processors. A test that reaches it has failed; no test measures with it.
var Patience = patience()

func patience() time.Duration {
	if Long() {
		return 10 * time.Minute
	}
	return time.Minute
}

// Long reports whether the tests run at full size: the environment has WEBIM_LONG.
func Long() bool { return os.Getenv("WEBIM_LONG") != "" }

// Eventually calls cond every millisecond until it returns true. After Patience it fails the test
// with a text that says which state did not come.
func Eventually(t testing.TB, state string, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(Patience); !cond(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", Patience, state)
		}
	}
}

// ResetDeadline gives the next reads and writes Patience, except within a Wait.
func (c *Client) ResetDeadline() {
	if c.waits.Load() == 0 {
		c.Conn.SetDeadline(time.Now().Add(Patience))
	}
}

// Wait gives the client Patience for all reads and writes until end is called. Whatever loops until one thing comes
// begins with it: otherwise each ping of the server would give the loop more time, and it could last for ever. Within
// another Wait it changes nothing. A client that reads nothing else afterwards need not call end.
func (c *Client) Wait() (end func()) {
	c.ResetDeadline()
	c.waits.Add(1)
	return func() { c.waits.Add(-1) }
}
