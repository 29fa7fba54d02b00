package jetstream

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"webim/netpoll/wstest"
	"webim/room/engine"
	"webim/room/engine/jetstream/internal/codec"
	"webim/room/engine/jetstream/internal/state"
	"webim/room/engine/jetstream/natstest"
	"webim/room/engine/published"
)

// startLate opens a node that learns from the store that something is on the disk only when the test calls the function that held has.
func startLate(t *testing.T, connect *natstest.Hold) (e *Engine, holds *atomic.Bool, held chan func(error)) {
	t.Helper()
	holds, held = new(atomic.Bool), make(chan func(error), 1)
	e = openWith(t, Config{Keep: always, Connect: connect.Connect, Commit: func(_ string, done func(error)) {
		if holds.Load() {
			held <- done
			return
		}
		done(nil)
	}})
	return e, holds, held
}

// askAgain makes a node ask again how far the sequences of an empty stream have come. No publication becomes too old as fast as in a test.
func askAgain(c *class) {
	c.emptyMu.Lock()
	c.emptySeen = time.Time{}
	c.emptyMu.Unlock()
}

// deleteStream deletes a stream.
func deleteStream(t *testing.T, e *Engine, name string) {
	t.Helper()
	if err := e.js.DeleteStream(t.Context(), name); err != nil {
		t.Fatal(err)
	}
}

// TestStreamIsMadeAnewBeforeTheAnswer deletes the stream of a room, and makes it again, before a node gets the answer for a message: that
// the message is stored, and that it was stored before. The node does not say that the new stream has it.
func TestStreamIsMadeAnewBeforeTheAnswer(t *testing.T) {
	s := startServer(t)
	other := open(t, s, Config{Keep: always})
	e, holds, held := startLate(t, natstest.NewHold(s))
	again := keyed("ann", "said before", "k")
	for _, m := range []engine.Message{text("is stored"), again} {
		for _, first := range []engine.Message{text("opens the stream"), again} {
			publish(t, other, "r", first)
		}
		before := publish(t, e, "r", text("before"))
		holds.Store(true)
		got := make(chan outcome, 1)
		e.Publish("r", m, func(pos engine.Position, err error) { got <- outcome{pos, err} })
		answer := receive(t, held)
		holds.Store(false)
		deleteStream(t, e, ever)
		if err := e.openClass(t.Context(), e.class("r")); err != nil {
			t.Fatal(err)
		}
		answer(nil)
		if got := receive(t, got); !errors.Is(got.err, engine.ErrUnknown) {
			t.Errorf("with the key %q: %+v", m.Key, got)
		}
		other.compare()
		if after := publish(t, e, "r", text("after")); after.err != nil || after.pos.Epoch == before.pos.Epoch {
			t.Errorf("after it: %+v, before it: %+v", after, before)
		}
		wstest.Eventually(t, "the other node follows", func() bool {
			return *other.class("r").incarnation.Load() == *e.class("r").incarnation.Load()
		})
	}
}

// TestKeysEndWithTheStream publishes messages with keys, of which the store has the id of the first one only, and deletes the stream:
// each is published anew.
func TestKeysEndWithTheStream(t *testing.T) {
	e := open(t, startServer(t), Config{Keep: always, KeyWindow: time.Minute, MaxKeys: 1})
	said := []engine.Message{keyed("ann", "has an id", "k"), keyed("ann", "has none", "l")}
	for _, m := range said {
		first, again := publish(t, e, "r", m), publish(t, e, "r", m)
		if first.err != nil || again.err != engine.ErrRepeated {
			t.Fatalf("%s: %+v, and again: %+v", m.Key, first, again)
		}
	}
	if n := e.Stats().KeysLost; n != 1 {
		t.Errorf("%d messages have a key that the store does not know, want 1", n)
	}
	deleteStream(t, e, ever)
	if err := e.openClass(t.Context(), e.class("r")); err != nil {
		t.Fatal(err)
	}
	for _, m := range slices.Backward(said) { // the first one takes the place of the other
		if got := publish(t, e, "r", m); got.err != nil {
			t.Errorf("%s, in the new stream: %+v", m.Key, got)
		}
	}
}

// TestKeyOfAFormerStream adds a key at a position of a stream that was made anew meanwhile: it is not known.
func TestKeyOfAFormerStream(t *testing.T) {
	e := open(t, startServer(t), Config{Keep: always})
	m := keyed("ann", "said before", "k")
	before := publish(t, e, "r", text("opens the stream"))
	deleteStream(t, e, ever)
	if err := e.openClass(t.Context(), e.class("r")); err != nil {
		t.Fatal(err)
	}
	for _, keys := range []*published.Keys{e.keys, e.unsaved} {
		e.addKey(keys, "r", m, before.pos)
		if _, known, _ := keys.Find("r", m, e.now()); known {
			t.Error("the new stream has the message, and it has not")
		}
		e.addKey(keys, "r", m, publish(t, e, "r", text("is there")).pos)
		if _, known, _ := keys.Find("r", m, e.now()); !known {
			t.Error("the key of a message of the new stream is not known")
		}
	}
}

// TestStateIsMadeAnewBeforeTheAnswer does the same with the stream of the State: while the answer is on its way, and while a write that
// was answered waits for the copy.
func TestStateIsMadeAnewBeforeTheAnswer(t *testing.T) {
	s := startServer(t)
	hold := natstest.NewHold(s)
	e, holds, held := startLate(t, hold)
	mark := func(name string) engine.Entry {
		return engine.Entry{Key: engine.Key{Table: engine.TableMark, Of: "r", Name: name}, Value: []byte("1"), Version: engine.AnyVersion}
	}
	for _, waits := range []bool{false, true} {
		for i := range 3 {
			if _, err := put(t, e, mark(fmt.Sprint(i))); err != nil {
				t.Fatal(err)
			}
		}
		if waits {
			hold.Begin(t)
		}
		holds.Store(true)
		got := make(chan error, 1)
		e.Put(mark("late"), func(_ uint64, err error) { got <- err })
		answer := receive(t, held)
		if waits {
			answer(nil)
		}
		holds.Store(false)
		deleteStream(t, e, state.Stream)
		hold.End()
		eventually(t, func() error { return e.openState(t.Context()) })
		if !waits {
			answer(nil)
		}
		for i := range 100 {
			if _, err := put(t, e, mark(fmt.Sprint("new", i))); err != nil {
				t.Fatal(err)
			}
		}
		if err := receive(t, got); !errors.Is(err, engine.ErrUnknown) {
			t.Errorf("a write that waits for the copy: %v: %v", waits, err)
		}
		if is := get(t, e, mark("late").Key); is.Version != 0 {
			t.Errorf("the entry is there: %+v", is)
		}
	}
}

// TestRoomBeginsInTheNewStream makes the stream of rooms anew: those that were empty, those that begin just then, and those that begin anew
// begin where the new stream ends. Otherwise their members would miss all publications up to their former offset.
func TestRoomBeginsInTheNewStream(t *testing.T) {
	e := open(t, startServer(t), Config{Keep: always, sweep: time.Hour})
	c := e.class("r")
	r := subscribe(t, e, "r")
	for range 3 {
		publish(t, e, "r", text("in the former stream"))
	}
	r.wait(t, "the publications", func() bool { return len(r.got) == 3 })
	former, _ := e.epochOf(c, "r")
	if err := e.stream(c).Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	askAgain(c)
	if last, err := e.emptyAt(c); last != 3 || err != nil {
		t.Fatalf("nothing is left up to %d, %v", last, err)
	}
	deleteStream(t, e, ever)
	if err := e.openClass(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	o := e.newTopic(c, "opens", newRecorder())
	o.mu.Lock()
	if o.openLocked(former, codec.Tip{Offset: 3}) || o.began {
		t.Error("a topic begins at the end of the former stream")
	}
	o.mu.Unlock()
	e.topic("r").beginAnew()
	late := subscribe(t, e, "empty")
	for room, of := range map[string]*recorder{"r": r, "empty": late} {
		pos := publish(t, e, room, text("in the new stream")).pos
		of.wait(t, "a publication in the room "+room, func() bool { return len(of.got) > 0 && of.got[len(of.got)-1].Offset == pos.Offset })
		if at := of.begins[len(of.begins)-1]; at.Epoch != pos.Epoch || at.Offset != 0 {
			t.Errorf("the room %s begins at %+v", room, at)
		}
	}
}

// TestNothingIsRemoved removes the history of rooms that have none, in a stream whose first messages are gone: the State gets no entry.
func TestNothingIsRemoved(t *testing.T) {
	e := open(t, startServer(t), Config{Keep: always})
	publish(t, e, "r", text("x"))
	if err := e.stream(e.class("r")).Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, room := range []string{"r", "unknown"} {
		removeHistory(t, e, room)
		if is := e.state.Entry(e.class(room).cutOf(room).Entry()); is.Version != 0 {
			t.Errorf("the room %s has the cut %+v", room, is)
		}
	}
}
