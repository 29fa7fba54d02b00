package users

import (
	"testing"

	"webim/netpoll"
	"webim/netpoll/wstest"
)

func TestLockOrderNamesEachMutex(t *testing.T) { wstest.LockOrder(t) }

// TestTable checks that a session is registered once, is counted, and does not come back.
func TestTable(t *testing.T) {
	var all Table
	count := func(sessions, anonymous, named int) {
		t.Helper()
		if s, a, n := all.Count(); s != sessions || a != anonymous || n != named {
			t.Errorf("counts %d, %d, %d; want %d, %d, %d", s, a, n, sessions, anonymous, named)
		}
	}
	sessions := make([]Entry, 4)
	for i, user := range []string{"a", "a", "b", ""} {
		all.Add(&sessions[i], user, netpoll.ID(i+1))
	}
	all.Add(&sessions[0], "a", 1)
	count(4, 1, 2)
	if got := all.Of("a"); len(got) != 2 || !all.Has(&sessions[0]) {
		t.Errorf("a has the connections %v", got)
	}
	for i, user := range []string{"a", "a", "b", ""} {
		all.Remove(&sessions[i], user, netpoll.ID(i+1))
		all.Remove(&sessions[i], user, netpoll.ID(i+1))
	}
	count(0, 0, 0)
	all.Add(&sessions[0], "a", 1)
	count(0, 0, 0)
	if !all.HasEnded(&sessions[0]) || all.Has(&sessions[0]) || len(all.Of("a")) > 0 {
		t.Error("a session that was removed came back")
	}
}
