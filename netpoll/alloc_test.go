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

// What a handshake allocates is garbage that a storm of 10,000 clients makes at once.
// One allocation is the callback, which the connection keeps; the others of a browser's
// handshake judge its Origin.
func TestHandshakeAllocates(t *testing.T) {
	for name, tt := range map[string]struct {
		headers string
		most    float64
	}{"plain": {"", 1}, "browser": {browserHeaders, 7}} {
		once := handshake(t, Config{Subprotocols: []string{"chat"}}, tt.headers)
		once()
		if n := testing.AllocsPerRun(500, once); n > tt.most {
			t.Errorf("%s: %v allocations; want %v at most", name, n, tt.most)
		}
	}
}
