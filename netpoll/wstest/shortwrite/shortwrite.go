// Package shortwrite makes servers of package netpoll write a few bytes at a time, for tests that
// partial writes lose nothing.
package shortwrite

import (
	"testing"

	"webim/netpoll/internal/rawio"
)

// Limit makes each server that is made before the end of the test offer at most n bytes to each
// write; 0 means no limit. It must not run in parallel with tests that need other limits.
func Limit(t testing.TB, n int) {
	before := rawio.WriteLimit.Swap(int32(n))
	t.Cleanup(func() { rawio.WriteLimit.Store(before) })
}
