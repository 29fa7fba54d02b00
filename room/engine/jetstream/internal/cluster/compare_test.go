package cluster

import (
	"context"
	"slices"
	"testing"
	"time"

	"webim/netpoll/wstest"
	"webim/room/engine"
)

// expectTold waits until a node has told its rooms these notices, in any order.
func (n *node) expectTold(t *testing.T, want ...string) {
	t.Helper()
	var got []string
	wstest.Eventually(t, "the rooms are told", func() bool {
		got = append(got, n.takeTold()...)
		return len(got) >= len(want)
	})
	if slices.Sort(got); !slices.Equal(got, want) {
		t.Errorf("told %q, want %q", got, want)
	}
}

// TestJoinsAndLeavesThatWereMissed checks what the rooms of a node are told of the members on another one that ends,
// seems to be dead, or has lost its connection for a while.
func TestJoinsAndLeavesThatWereMissed(t *testing.T) {
	s := startServer(t)
	cfg := Config{Beat: 20 * time.Millisecond, Lease: time.Hour, Patience: time.Minute}
	a, b := start(t, s, cfg), start(t, s, cfg)
	a.has("r", &members{users: []string{"ann"}})
	b.has("r", &members{users: []string{"bob", "eve"}}) // a does not know whether eve is new
	join := engine.Notice{Who: engine.Author{User: "bob", Client: "bob"}}
	if !a.News(b.ID(), "r", join) || a.News(b.ID(), "r", join) {
		t.Error("a join is news once")
	}
	a.gone(b.ID(), false)               // as tick does
	a.expectTold(t, "+r bob", "-r bob") // the next beat of b shows that it lives

	// b has lost its connection. Meanwhile bob has left.
	reconnect := func(users ...string) {
		b.has("r", &members{users: users})
		b.Lost()
		if err := b.Back(context.Background()); err != nil {
			t.Error(err)
		}
	}
	reconnect("cy", "eve")
	a.expectTold(t, "+r cy", "-r bob")

	// a has lost its connection.
	b.has("r", &members{users: []string{"dee", "eve"}})
	a.Lost()
	if err := a.Back(context.Background()); err != nil {
		t.Error(err)
	}
	a.expectTold(t, "+r dee", "-r cy")
	b.Close()
	a.expectTold(t, "-r dee", "-r eve")
}
