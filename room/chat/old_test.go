package chat

import (
	"strings"
	"sync/atomic"
	"testing"

	"webim/room"
	"webim/room/engine"
)

// aging is an engine whose copy of the State may be old.
type aging struct {
	engine.Engine
	old atomic.Bool
}

func (a *aging) StateIsOld() bool { return a.old.Load() }

// TestOldState makes calls on a node whose copy of the State is old. A list of bans, and a place on a roster, could pass for
// permission, so these calls get a temporary error; what is only shown is shown.
func TestOldState(t *testing.T) {
	e := &aging{Engine: newEngine(t)}
	h := build(t, room.Config{Engine: e})
	mod := h.come("mod", "moderator")
	mod.join("r")
	e.old.Store(true)
	for _, method := range []string{"sanctions", "room.join"} {
		if result, fault := mod.call(method, `{"room":"r"}`); !strings.HasPrefix(fault, "100 ") || !strings.HasSuffix(fault, "this server does not know the latest bans, try again") {
			t.Errorf("%s: %s, %s", method, result, fault)
		}
	}
	for method, data := range map[string]string{"rooms": `{}`, "room.info": `{"room":"r"}`, "members": `{"room":"r"}`, "marks": `{"room":"r"}`} {
		mod.must(method, data)
	}
	e.old.Store(false)
	mod.must("sanctions", `{"room":"r"}`)
	mod.must("room.join", `{"room":"r"}`)
}
