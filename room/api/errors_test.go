package api

import (
	"strings"
	"testing"

	"webim/room/engine"
	"webim/room/engine/memory"
)

// fullEngine is an engine whose store is full.
type fullEngine struct{ *memory.Engine }

func (fullEngine) Publish(_ string, _ engine.Message, done func(engine.Position, error)) {
	done(engine.Position{}, engine.ErrStoreFull)
}

// TestStoreFails checks that a caller learns that the store of the engine has failed.
func TestStoreFails(t *testing.T) {
	n := start(t, fullEngine{memory.New(memory.Limits{})})
	if got := n.call("publish", `{"channel":"r","data":{}}`); !strings.Contains(got, `"code":100`) || !strings.Contains(got, "the server's store is full") {
		t.Errorf("publish: %s", got)
	}
}
