package output

import "sync/atomic"

// Total counts the bytes that all queues of a server hold: references, buffers (shared ones once)
// and what else the server adds. Limit and Over are set before the first use.
type Total struct {
	Limit int64
	Over  func() // called when bytes are added above Limit; it must neither block nor lock

	n atomic.Int64
}

// Add adds n bytes, or takes bytes away if n is negative.
func (t *Total) Add(n int64) {
	if t.n.Add(n) > t.Limit && n > 0 {
		t.Over()
	}
}

// Load returns the count.
func (t *Total) Load() int64 { return t.n.Load() }
