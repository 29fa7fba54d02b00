package unfinished

import "sync/atomic"

// Total counts the unfinished input of all connections. Each client may hold some for a while, so the
// server counts all of it together. At 7/8 of the limit it closes the connections that hold most, so that
// a few large holders cannot keep out many small ones. At the limit, it closes each connection that wants
// more. The fields are set before the first use.
type Total struct {
	Limit int64  // bytes
	Near  func() // called when bytes are added above 7/8 of Limit; it must neither block nor lock

	n atomic.Int64
}

// Add adds n bytes, or takes bytes away if n is negative. It reports whether the count is within the limit.
func (t *Total) Add(n int) bool {
	total := t.n.Add(int64(n))
	if n <= 0 {
		return true
	}
	if total > t.near() {
		t.Near()
	}
	return total <= t.Limit
}

// Load returns the count.
func (t *Total) Load() int64 { return t.n.Load() }

// Excess returns the number of bytes above 7/8 of the limit; it is negative below.
func (t *Total) Excess() int64 { return t.n.Load() - t.near() }

func (t *Total) near() int64 { return t.Limit / 8 * 7 }
