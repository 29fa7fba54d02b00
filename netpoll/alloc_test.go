//go:build !race

package netpoll

import "testing"

// Not under the race detector, which allocates by itself: `make test` runs it
// once more without.
func TestHotPathAllocates(t *testing.T) {
	for name, prepare := range map[string]func(testing.TB) func(){"delivery": delivery, "ping": answeredPing} {
		once := prepare(t)
		once()
		if n := testing.AllocsPerRun(2000, once); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
