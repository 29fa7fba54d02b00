package chat

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"webim/room"
	"webim/room/engine"
	"webim/room/engine/memory"
	"webim/room/policy"
	"webim/room/wire"
)

// fact writes an entry of the State.
func (h *house) fact(table, of, name string) {
	h.t.Helper()
	h.engine().Put(engine.Entry{Key: engine.Key{Table: table, Of: of, Name: name}, Value: []byte("{}"), Version: engine.AnyVersion}, func(_ uint64, err error) {
		if err != nil {
			h.t.Fatal(err)
		}
	})
}

// TestMarksAreOfTheirEpoch checks that marks do not count for the messages of a new epoch, after
// the room was forgotten.
func TestMarksAreOfTheirEpoch(t *testing.T) {
	e := memory.New(memory.Limits{MaxTotal: 64 << 10})
	h := build(t, room.Config{Engine: e, Text: policy.TextLimits{Bytes: -1, Graphemes: -1}})
	alice, bob := h.come("alice"), h.come("bob")
	for range 5 {
		bob.must("send", `{"room":"#alice,bob","data":{"text":"old"}}`)
	}
	if got := alice.must("mark", `{"room":"#alice,bob","read":5}`); got != `{"read":5,"delivered":5}` {
		t.Fatal(got)
	}
	bob.must("send", `{"room":"other","data":{"text":"`+strings.Repeat("x", 64<<10)+`"}}`) // more than the engine can store
	e.History("#alice,bob", engine.Span{}, func(got engine.History, _ error) {
		if got.Top.Epoch != "" {
			t.Fatal("the room is not forgotten")
		}
	})
	bob.must("send", `{"room":"#alice,bob","data":{"text":"new"}}`)
	if got := alice.must("marks", `{"room":"#alice,bob"}`); got != `{"marks":[]}` {
		t.Errorf("marks: %s", got)
	}
	if got := alice.list(); fmt.Sprint(got) != `[# direct 1 0 {"text":"new"}]` {
		t.Errorf("alice has read what she never saw: %q", got)
	}
	if got := alice.must("mark", `{"room":"#alice,bob","read":1}`); got != `{"read":1,"delivered":1}` {
		t.Errorf("mark: %s", got)
	}
}

// TestNothingIsLeftOfRooms checks that users that make rooms, talk in them and leave them leave
// nothing in the State.
func TestNothingIsLeftOfRooms(t *testing.T) {
	e := memory.New(memory.Limits{})
	h := build(t, room.Config{Engine: e})
	alice, root := h.come("alice"), h.come("root", "admin")
	name := alice.create("Club", "bob")
	for _, call := range []string{
		`send {"room":%q,"data":{"text":"x"}}`, `mark {"room":%q,"read":1}`, `ban {"room":%q,"user":"bob"}`,
		`ban {"room":%q,"ip":"192.0.2.1"}`, `mute {"room":%q,"user":"eve"}`, `room.leave {"room":%q}`,
	} {
		if call[:4] == "send" {
			alice.join(name)
		}
		method, data, _ := strings.Cut(fmt.Sprintf(call, name), " ")
		alice.must(method, data)
	}
	for _, data := range []string{`{"room":"mine"}`, `{"room":"kept"}`} {
		alice.must("room.create", strings.TrimSuffix(data, "}")+`,"title":"T"}`)
		alice.must("send", strings.TrimSuffix(data, "}")+`,"data":{"text":"x"}}`)
		alice.must("mark", strings.TrimSuffix(data, "}")+`,"read":3}`)
	}
	root.must("room.set", `{"room":"kept","slow":5}`)
	alice.must("room.leave", `{"room":"mine"}`)
	alice.must("room.leave", `{"room":"kept"}`)
	if got := alice.must("room.info", `{"room":"kept"}`); !strings.Contains(got, `"title":"T","locked":false,"slow":5`) {
		t.Errorf("what a manager has set: %s", got)
	}
	kept := engine.Entry{Key: engine.Key{Table: engine.TableRoom, Of: "kept"}}
	// Reading the list removes the missing room from bob's list.
	h.come("bob").expectList()
	e.Delete(kept.Key, engine.AnyVersion, func(error) {})
	if n := e.Stats().State; n != 0 {
		t.Errorf("%d bytes are left", n)
	}
}

// TestOthersFillNoList checks that other users cannot fill the list of a user.
func TestOthersFillNoList(t *testing.T) {
	h := build(t, room.Config{})
	alice, bob := h.come("alice"), h.come("bob")
	for i := range maxGiven {
		h.fact(engine.TableMine, "bob", fmt.Sprint("r", i))
	}
	name := alice.create("Club")
	alice.join(name)
	alice.refused(wire.ErrLimitExceeded, "room.invite", fmt.Sprintf(`{"room":%q,"user":"bob"}`, name))
	alice.must("send", `{"room":"#alice,bob","data":{"text":"hi"}}`)
	if got := bob.nextIn("#bob"); !strings.Contains(got, "event=message") {
		t.Errorf("bob is told %s", got)
	}
	h.engine().Get(engine.Key{Table: engine.TableMember, Of: "#alice,bob", Name: "bob"}, func(e engine.Entry, err error) {
		if err != nil || e.Version != 0 {
			t.Error("the message made its room one of bob's")
		}
	})
	bob.must("room.join", `{"room":"lobby"}`)
	bob.must("room.direct", `{"user":"alice"}`)
	for i := range maxMine {
		h.fact(engine.TableMine, "alice", fmt.Sprint("r", i))
	}
	alice.must("send", `{"room":"#alice,carol","data":{"text":"hi"}}`)
	h.engine().Get(engine.Key{Table: engine.TableMember, Of: "#alice,carol", Name: "carol"}, func(e engine.Entry, err error) {
		if err != nil || e.Version != 0 {
			t.Error("who has no place left in her list fills others'")
		}
	})
}

// TestMarksAndSanctionsAreCapped checks the limits of entries that need no place in a list.
func TestMarksAndSanctionsAreCapped(t *testing.T) {
	h := build(t, room.Config{})
	alice, root := h.come("alice"), h.come("root", "admin")
	for i := range maxMarks - 1 {
		h.fact(engine.TableMark, "alice", fmt.Sprint("r", i))
	}
	for _, name := range []string{"last", "one more"} {
		alice.must("send", fmt.Sprintf(`{"room":%q,"data":{"text":"x"}}`, name))
	}
	alice.must("mark", `{"room":"last","read":1}`)
	alice.refused(wire.ErrLimitExceeded, "mark", `{"room":"one more","read":1}`)
	alice.must("send", `{"room":"last","data":{"text":"y"}}`)
	alice.must("mark", `{"room":"last","read":2}`) // the limit leaves room for one more

	name := alice.create("Club")
	alice.join(name)
	for i := range maxSanctions {
		for _, table := range []string{engine.TableBan, engine.TableBanIP, engine.TableMute} {
			for _, of := range []string{name, "lobby"} {
				h.fact(table, of, fmt.Sprintf("192.0.%d.%d/32", i/256, i%256))
			}
		}
	}
	for call, data := range map[string]string{"ban": `{"room":%q,"user":"bob"}`, "mute": `{"room":%q,"user":"bob"}`} {
		alice.refused(wire.ErrLimitExceeded, call, fmt.Sprintf(data, name))
		root.must(call, fmt.Sprintf(data, "lobby")) // the limit does not hold for moderators of public rooms
	}
	alice.refused(wire.ErrLimitExceeded, "ban", fmt.Sprintf(`{"room":%q,"ip":"198.51.100.1"}`, name))
	alice.must("unban", fmt.Sprintf(`{"room":%q,"ip":"192.0.0.1"}`, name))
	alice.must("ban", fmt.Sprintf(`{"room":%q,"ip":"198.51.100.1"}`, name))
}

// brokenGet is an engine that fails to read some entries.
type brokenGet struct {
	engine.Engine
	broken atomic.Bool
}

func (e *brokenGet) Get(k engine.Key, done func(engine.Entry, error)) {
	if e.broken.Load() && k.Table == engine.TableMember {
		done(engine.Entry{}, errors.New("broken"))
		return
	}
	e.Engine.Get(k, done)
}

// TestListsSurviveTheEngine checks that an engine's error does not count as absence from the
// roster.
func TestListsSurviveTheEngine(t *testing.T) {
	e := &brokenGet{Engine: memory.New(memory.Limits{})}
	h := build(t, room.Config{Engine: e})
	alice := h.come("alice")
	alice.must("room.join", `{"room":"lobby"}`)
	e.broken.Store(true)
	alice.refused(wire.ErrInternal, "rooms", `{}`)
	e.broken.Store(false)
	var res struct{ Rooms []json.RawMessage }
	if err := json.Unmarshal([]byte(alice.must("rooms", `{}`)), &res); err != nil || len(res.Rooms) != 1 {
		t.Errorf("her list is %q, %v", res.Rooms, err)
	}
}
