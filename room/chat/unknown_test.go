package chat

import (
	"strings"
	"testing"

	"webim/room"
	"webim/room/engine"
	"webim/room/engine/memory"
)

// silentEngine does not tell whether a message was published, and cannot be asked, either.
type silentEngine struct{ *memory.Engine }

func (silentEngine) Publish(_ string, _ engine.Message, done func(engine.Position, error)) {
	done(engine.Position{}, engine.ErrUnknown)
}

func (silentEngine) Known(_ string, _ engine.Message, done func(engine.Position, error)) {
	done(engine.Position{}, engine.ErrUnavailable)
}

// TestUnknownStaysUnknown checks that a client hears that its message may have been published, although the id of the
// message could not be looked up, which alone would mean that nothing was changed.
func TestUnknownStaysUnknown(t *testing.T) {
	h := build(t, room.Config{Engine: silentEngine{memory.New(memory.Limits{})}})
	for _, id := range []string{"", `"id":"1",`} {
		if _, fault := h.come("alice").call("send", `{"room":"lobby",`+id+`"data":{"text":"x"}}`); !strings.Contains(fault, "may have been published") {
			t.Errorf("with %q: %q", id, fault)
		}
	}
}
