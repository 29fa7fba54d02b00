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

// TestOldState makes calls on a node whose copy of the State is old. A list of bans, a place on a roster, and an entry of a roster,
// could pass for permission, so the calls that act on these get a temporary error, and change nothing; what is only shown is shown.
func TestOldState(t *testing.T) {
	e := &aging{Engine: newEngine(t)}
	h := build(t, room.Config{Engine: e})
	mod := h.come("mod", "moderator")
	mod.join("r")
	ours := made(t, mod.must("room.create", `{"title":"ours"}`))
	mod.join(ours)
	calls := []struct{ method, data string }{
		{"sanctions", `{"room":"r"}`},
		{"room.join", `{"room":"r"}`},
		{"room.invite", `{"room":"` + ours + `","user":"bob"}`},
		{"room.direct", `{"user":"bob"}`},
		{"room.create", `{"title":"new","users":["bob"]}`},
		{"room.create", `{"title":"new","room":"new"}`},
		{"sync", `{}`},
		{"room.leave", `{"room":"` + ours + `"}`},
	}
	e.old.Store(true)
	for _, c := range calls {
		if result, fault := mod.call(c.method, c.data); !strings.HasPrefix(fault, "100 ") || !strings.HasSuffix(fault, "this server does not know the latest bans, try again") {
			t.Errorf("%s %s: %s, %s", c.method, c.data, result, fault)
		}
	}
	for method, data := range map[string]string{"rooms": `{}`, "room.info": `{"room":"r"}`, "members": `{"room":"r"}`, "marks": `{"room":"r"}`, "messages": `{"room":"` + ours + `"}`} {
		mod.must(method, data)
	}
	for _, k := range []engine.Key{
		{Table: engine.TableMember, Of: ours, Name: "bob"}, {Table: engine.TableMember, Of: "r", Name: "mod"},
		{Table: engine.TableMine, Of: "mod", Name: "#bob,mod"}, {Table: engine.TableRoom, Of: "new"},
	} {
		h.engine().Get(k, func(e engine.Entry, err error) {
			if err != nil || e.Version != 0 {
				t.Errorf("%v was written: %+v, %v", k, e, err)
			}
		})
	}
	e.old.Store(false)
	for _, c := range calls {
		mod.must(c.method, c.data)
	}
}

// TestOldStateMendsNothing lists a room whose roster has lost the caller, first on a node whose copy of the State is old: there the room
// is hidden, and nothing is deleted.
func TestOldStateMendsNothing(t *testing.T) {
	e := &aging{Engine: newEngine(t)}
	h := build(t, room.Config{Engine: e})
	ann, bob := h.come("ann"), h.come("bob")
	ours := made(t, ann.must("room.create", `{"title":"ours","users":["bob"]}`))
	h.engine().Delete(engine.Key{Table: engine.TableMember, Of: ours, Name: "bob"}, engine.AnyVersion, func(err error) {
		if err != nil {
			t.Error(err)
		}
	})
	for _, old := range []bool{true, false} {
		e.old.Store(old)
		if got := bob.must("rooms", `{}`); strings.Contains(got, ours) {
			t.Errorf("bob gets %s", got)
		}
		h.engine().Get(engine.Key{Table: engine.TableMine, Of: "bob", Name: ours}, func(e engine.Entry, err error) {
			if err != nil || (e.Version != 0) != old {
				t.Errorf("the copy is old: %v; the entry of the list: %+v, %v", old, e, err)
			}
		})
	}
}

// TestOldRosterShowsNoMessage lists a private room on a node whose copy of the State is old: only a member that is there sees the
// last message, because the roster may have lost the caller since.
func TestOldRosterShowsNoMessage(t *testing.T) {
	e := &aging{Engine: newEngine(t)}
	h := build(t, room.Config{Engine: e})
	ann, bob := h.come("ann"), h.come("bob")
	ours := made(t, ann.must("room.create", `{"title":"ours","users":["bob"]}`))
	ann.join(ours)
	ann.must("send", `{"room":"`+ours+`","data":{"text":"hello"}}`)
	shows := func(p *person, want bool) {
		t.Helper()
		if got := p.must("rooms", `{}`); strings.Contains(got, "hello") != want || !strings.Contains(got, ours) {
			t.Errorf("%s gets %s", p.name, got)
		}
	}
	shows(bob, true)
	e.old.Store(true)
	shows(bob, false)
	shows(ann, true)
}
