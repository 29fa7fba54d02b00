package enginetest

import (
	"fmt"
	"testing"

	"github.com/gobwas/ws"

	"webim/room/engine"
)

// testRemoveHistory checks that a removed history begins a new epoch, which subscribers learn.
func testRemoveHistory(t *testing.T, with Implementation) {
	c := with.start(t, Limits{})
	m := c.node(0)
	s := new(Recorder)
	c.node(1).Subscribe("a", NoPayer, s)
	s.begin(t)
	before := Publish(t, m, "a", []byte("x"))
	awaitCount(t, s, 1)
	removeHistory(t, m, "a")
	h := History(t, m, "a", engine.Span{Limit: -1})
	// An engine may know only that the room has nothing up to a higher offset, which another room has had.
	ends := func(at engine.Position) bool { return at.Epoch == h.Top.Epoch && at.Offset >= before.Offset }
	if len(h.Publications) != 0 || h.Top.Epoch == before.Epoch || !ends(h.Top) {
		t.Errorf("after it: %+v, before it: %v", h, before)
	}
	eventually(t, func() error {
		if all := s.Begins(); len(all) != 2 || !ends(all[1]) {
			return fmt.Errorf("the subscriber began at %v, want %v at the end", all, h.Top)
		}
		if on := History(t, c.node(1), "a", engine.Span{Limit: -1}); len(on.Publications) != 0 || !ends(on.Top) {
			return fmt.Errorf("on another node: %+v, want %+v", on, h)
		}
		return nil
	})
	if after := Publish(t, m, "a", []byte("y")); after.Epoch != h.Top.Epoch || after.Offset <= before.Offset {
		t.Errorf("the next message is at %v", after)
	}
	removeHistory(t, m, "unknown")
	if with.CheckRooms != nil {
		with.CheckRooms(t, m, 1)
	}
}

func removeHistory(t *testing.T, m engine.Engine, room string) {
	t.Helper()
	call(t, "RemoveHistory", func(done func()) {
		m.RemoveHistory(room, func(err error) {
			if err != nil {
				t.Error(err)
			}
			done()
		})
	})
}

// testRedact checks that redacting leaves offsets, authors and times, and the tags of an event.
func testRedact(t *testing.T, with Implementation) {
	c := with.start(t, Limits{})
	m := c.node(0)
	var at []uint64
	for i := range 3 {
		pos, err := publish(t, m, "a", engine.Message{Op: ws.OpText, Data: fmt.Append(nil, i), From: &engine.Author{User: "ann", Client: "1"},
			Tags: map[string]string{engine.TagEvent: engine.EventEdit, engine.TagOf: "7", "more": "x"}})
		if err != nil {
			t.Fatal(err)
		}
		at = append(at, pos.Offset)
	}
	before := History(t, m, "a", engine.Span{Limit: -1}).Publications
	call(t, "Redact", func(done func()) {
		m.Redact("a", []uint64{at[1], at[2] + 99}, func(err error) {
			if err != nil {
				t.Error(err)
			}
			done()
		})
	})
	check := func(all []engine.Publication) error {
		if len(all) != len(before) {
			return fmt.Errorf("%d publications, want %d", len(all), len(before))
		}
		for i, p := range all {
			was := before[i]
			if p.Redacted() != (i == 1) || p.Offset != was.Offset || p.Prev != was.Prev || !p.Time.Equal(was.Time) || p.From == nil || p.From.User != "ann" {
				return fmt.Errorf("%+v, was %+v", p, was)
			}
			if i == 1 && (string(p.Data) != "{}" || p.Tags[engine.TagEvent] != engine.EventEdit || p.Tags[engine.TagOf] != "7" || p.Tags["more"] != "") {
				return fmt.Errorf("redacted: %s, %v", p.Data, p.Tags)
			}
		}
		return nil
	}
	if err := check(History(t, m, "a", engine.Span{Limit: -1}).Publications); err != nil {
		t.Error(err)
	}
	eventually(t, func() error { return check(History(t, c.node(1), "a", engine.Span{Limit: -1}).Publications) })
	if string(before[1].Data) != "1" {
		t.Errorf("an answer has changed: %s", before[1].Data)
	}
}
