package hubs

import (
	"testing"

	"webim/netpoll/wstest"
)

func TestLockOrderNamesEachMutex(t *testing.T) { wstest.LockOrder(t) }
