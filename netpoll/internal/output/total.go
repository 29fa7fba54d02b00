package output

import "sync/atomic"

// Total counts the bytes that all queues of a server hold: references, buffers (shared ones once)
// and what else the server adds. Over is set, and SetLimit called, before the first use.
type Total struct {
	Over func() // called when bytes are added above the limit, or the limit falls below them; it must neither block nor lock

	n, limit atomic.Int64
}

// SetLimit sets the limit in bytes.
func (t *Total) SetLimit(limit int64) {
	t.limit.Store(limit)
	if t.n.Load() > limit {
		t.Over()
	}
}

// Add adds n bytes, or takes bytes away if n is negative.
func (t *Total) Add(n int64) {
	if t.n.Add(n) > t.limit.Load() && n > 0 {
		t.Over()
	}
}

// Load returns the count.
func (t *Total) Load() int64 { return t.n.Load() }

// Excess returns the number of bytes above the limit; it is negative below.
func (t *Total) Excess() int64 { return t.n.Load() - t.limit.Load() }
