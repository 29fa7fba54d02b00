package jetstream

import (
	"fmt"
	"testing"
	"time"

	"webim/room/engine"
)

// TestExpiredIsNoBeginning checks that the first publication that is left is not taken for the first of the
// room: whoever has seen less than all that became too old has missed some.
func TestExpiredIsNoBeginning(t *testing.T) {
	s := startServer(t)
	e := open(t, s, Config{Keep: func(string) engine.Retention {
		return engine.Retention{Messages: 100, Bytes: 1 << 20, Age: 4 * time.Second}
	}})
	first, second := publish(t, e, "r", text("1")), publish(t, e, "r", text("2"))
	eventually(t, func() error {
		if at, err := e.logOf(e.class("r"), "r").Expired(); err != nil || at < second.pos.Offset {
			return fmt.Errorf("up to %d is too old, %v", at, err)
		}
		return nil
	})
	late := subscribe(t, e, "r") // when the log has nothing of the room
	if at := late.begins[0]; at.Offset < second.pos.Offset || at.Epoch != first.pos.Epoch {
		t.Errorf("it begins at %v, and %d was published", at, second.pos.Offset)
	}
	third := publish(t, e, "r", text("3"))
	late.wait(t, "the third", func() bool { return len(late.got) == 1 })
	for name, node := range map[string]*Engine{"with members": e, "without": open(t, s, e.cfg)} {
		h := history(t, node, "r", engine.Span{Behind: first.pos.Offset, Limit: -1})
		if len(h.Publications) != 1 || h.Publications[0].Offset != third.pos.Offset || h.Publications[0].Prev < second.pos.Offset {
			t.Errorf("a node %s: %+v", name, h.Publications)
		}
	}
}
