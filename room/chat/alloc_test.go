//go:build !race

package chat

import (
	"testing"

	"webim/room"
	"webim/room/engine"
	"webim/room/engine/memory"
)

// TestFollowUpAllocatesNothing checks that FollowUp allocates nothing for a message in a room that is in
// no user's list. It does not run under the race detector, where a sync.Pool drops items on purpose.
func TestFollowUpAllocatesNothing(t *testing.T) {
	h := room.NewHub(room.Config{Engine: memory.New(memory.Limits{})})
	m := engine.Message{Op: engine.OpJSON, Data: []byte(`{"text":"hello"}`), From: &engine.Author{User: "ann", Client: "c"}}
	at := engine.Position{Epoch: "e", Offset: 7}
	if n := testing.AllocsPerRun(100, func() { FollowUp(h, "lobby", at, m) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
