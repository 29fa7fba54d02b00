package timers

import (
	"testing"

	"webim/netpoll/wstest"
)

// TestLockOrderNamesEachMutex: see wstest.LockOrder.
func TestLockOrderNamesEachMutex(t *testing.T) { wstest.LockOrder(t) }
