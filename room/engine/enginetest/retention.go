package enginetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"webim/room/engine"
)

// testAge checks that a room forgets old messages, and that it keeps its position then. Another room
// keeps its messages for ever.
func testAge(t *testing.T, with Implementation) {
	const age = time.Minute
	c := with.start(t, Limits{Age: time.Hour})
	s, keep := new(Recorder), &engine.Retention{Messages: 10, Bytes: 1000, Age: age}
	c.node(0).Subscribe("a", NoPayer, s) // so that the room lasts
	s.begin(t)
	pos, err := publish(t, c.node(0), "a", engine.Message{Op: ws.OpText, Data: []byte("x"), Keep: keep})
	if err != nil {
		t.Fatal(err)
	}
	ever := &engine.Retention{Messages: 10, Bytes: 1000, Age: engine.Forever}
	if _, err := publish(t, c.node(0), "ever", engine.Message{Op: ws.OpText, Data: []byte("x"), Keep: ever}); err != nil {
		t.Fatal(err)
	}
	read := func(i int) engine.History { return History(t, c.node(i), "a", engine.Span{Limit: -1, Keep: keep}) }
	if h := read(0); len(h.Publications) != 1 {
		t.Errorf("before its age: %+v", h)
	}
	c.pass(age + 1)
	for i := range 2 {
		eventually(t, func() error {
			if h := read(i); len(h.Publications) != 0 || h.Top != pos {
				return fmt.Errorf("after the age of %v: %+v, want nothing before %v", age, h, pos)
			}
			return nil
		})
	}
	for i := range 2 {
		if h := History(t, c.node(i), "ever", engine.Span{Limit: -1, Keep: ever}); len(h.Publications) != 1 {
			t.Errorf("the room that keeps messages for ever has %+v", h)
		}
	}
	next := Publish(t, c.node(1), "a", []byte("y"))
	if next.Epoch != pos.Epoch || next.Offset <= pos.Offset {
		t.Errorf("the message after %v is at %v", pos, next)
	}
	awaitCount(t, s, 2)
	if p := s.Got()[1]; p.Prev != pos.Offset || p.Offset != next.Offset {
		t.Errorf("delivered %+v, which is not the message after %v", p, pos)
	}
}

// testEvents checks that of the events with one key the last is kept, that messages stay however
// many events come, and that nobody misses a superseded event.
func testEvents(t *testing.T, with Implementation) {
	c := with.start(t, Limits{Messages: 60, Bytes: 4000})
	m := c.node(0)
	said := Publish(t, m, "r", []byte("a message"))
	for i := range 1000 {
		Announce(t, m, "r", "roster ann", fmt.Sprint(i))
	}
	check := func(h engine.History) error {
		if len(h.Publications) != 2 || h.Publications[0].Offset != said.Offset || string(h.Publications[1].Data) != "999" {
			return fmt.Errorf("kept: %+v", h.Publications)
		}
		if last := h.Publications[1]; last.Prev != said.Offset || last.Offset != h.Top.Offset {
			return fmt.Errorf("the last event is %+v, at the top %v", last, h.Top)
		}
		return nil
	}
	if err := check(History(t, m, "r", engine.Span{Limit: -1})); err != nil {
		t.Error(err)
	}
	eventually(t, func() error { return check(History(t, c.node(1), "r", engine.Span{Limit: -1})) })
}
