package cmd

import (
	"maps"
	"slices"
	"testing"

	"webim/netpoll/wstest"
)

// TestLockOrder checks that each package with a mutex says in its doc.go what may be locked under it; see
// wstest.LockOrder.
func TestLockOrder(t *testing.T) {
	for _, pkg := range slices.Sorted(maps.Keys(imports(t))) {
		t.Run(pkg, func(t *testing.T) {
			t.Chdir("../" + pkg)
			wstest.LockOrder(t)
		})
	}
}
