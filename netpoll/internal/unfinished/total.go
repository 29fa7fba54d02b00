package unfinished

import "sync/atomic"

// Total counts the unfinished input of all connections. Each client may hold some for a while, so the
// server counts all of it together. At 7/8 of the limit it closes the connections that hold most, so that
// a few large holders cannot keep out many small ones. At the limit, it closes each connection that wants
// more. Near is set, and SetLimit called, before the first use.
type Total struct {
	Near func() // called when bytes are added above 7/8 of the limit, or the limit falls so far; it must neither block nor lock

	n, limit atomic.Int64
}

// SetLimit sets the limit in bytes.
func (t *Total) SetLimit(limit int64) {
	t.limit.Store(limit)
	if t.Excess() > 0 {
		t.Near()
	}
}

// Add adds n bytes, or takes bytes away if n is negative. It reports whether the count is within the limit.
func (t *Total) Add(n int) bool {
	total := t.n.Add(int64(n))
	if n <= 0 {
		return true
	}
	limit := t.limit.Load()
	if total > near(limit) {
		t.Near()
	}
	return total <= limit
}

// Load returns the count.
func (t *Total) Load() int64 { return t.n.Load() }

// Excess returns the number of bytes above 7/8 of the limit; it is negative below.
func (t *Total) Excess() int64 { return t.n.Load() - near(t.limit.Load()) }

func near(limit int64) int64 { return limit / 8 * 7 }
