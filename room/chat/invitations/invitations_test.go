package invitations

import (
	"fmt"
	"testing"

	"webim/room/budget"
)

// TestInvitationsAreCountedInBounds checks that the number of remembered pairs is bounded, and that
// the rate of one owner limits how fast it can push out the pairs of others.
func TestInvitationsAreCountedInBounds(t *testing.T) {
	var c Counter
	owner := budget.User("eve")
	for n := range senderRate.N {
		if err := c.Take(owner, fmt.Sprint(n)); err != nil {
			t.Fatalf("%d: %v", n, err)
		}
	}
	if err := c.Take(owner, "one more"); err == nil {
		t.Error("an owner invites above its rate")
	}
	for n := range 3 * maxPairs {
		_ = c.Take(budget.User(fmt.Sprint("owner", n)), "bob")
	}
	if all := len(c.young) + len(c.old); all > 2*maxPairs+2 {
		t.Errorf("%d pairs are remembered", all)
	}
}
