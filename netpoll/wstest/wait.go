package wstest

import (
	"os"
	"testing"
	"time"
)

// Patience is the deadline for everything that a test waits for. A test that reaches it has failed;
// no test measures with it.
const Patience = 10 * time.Second

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
