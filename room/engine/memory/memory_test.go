package memory

import (
	"fmt"
	"testing"
	"time"

	"webim/room/engine"
	"webim/room/engine/enginetest"
)

func newTestMemory(l Limits) (*Engine, *enginetest.Clock) {
	clock := new(enginetest.Clock)
	l.Now = clock.Now
	return New(l), clock
}

// When the engine has reached its total, it removes the whole history of the room that was unused for
// the longest time. So no history has a gap, and each one ends with the newest message.
func TestMemoryTotal(t *testing.T) {
	data := make([]byte, 1000)
	m, _ := newTestMemory(Limits{})
	enginetest.Publish(t, m, "a", data)
	first := m.Stats().Bytes
	enginetest.Publish(t, m, "a", data)
	total := 3 * m.Stats().Bytes // of three rooms with two messages each
	if first < 1000 || total < 6000 {
		t.Errorf("a message of 1000 bytes costs %d, six cost %d", first, total)
	}

	m, _ = newTestMemory(Limits{MaxTotal: total})
	m.Subscribe("c", enginetest.NoPayer, new(enginetest.Recorder))
	for range 2 {
		for _, room := range []string{"a", "b", "c"} {
			enginetest.Publish(t, m, room, data)
		}
	}
	remembers := func(room string, want int) {
		t.Helper()
		h := enginetest.History(t, m, room, engine.Span{Limit: -1})
		if len(h.Publications) != want {
			t.Errorf("%s remembers %d messages, want %d", room, len(h.Publications), want)
		}
		if want > 0 && h.Publications[want-1].Offset != h.Top.Offset {
			t.Errorf("%s remembers up to %d of %d", room, h.Publications[want-1].Offset, h.Top.Offset)
		}
	}
	if got := m.Stats().Bytes; got != total-topicCost { // a room with members is not counted itself
		t.Errorf("%d bytes, want %d", got, total-topicCost)
	}
	enginetest.Publish(t, m, "a", data) // now b is the oldest
	remembers("a", 3)
	remembers("b", 0)
	remembers("c", 2)
	epoch := enginetest.History(t, m, "c", engine.Span{Limit: -1}).Top.Epoch
	enginetest.Publish(t, m, "b", data)
	enginetest.Publish(t, m, "b", data)
	remembers("c", 0)
	remembers("a", 3)
	remembers("b", 2)
	if top := enginetest.History(t, m, "c", engine.Span{Limit: -1}).Top; top != (engine.Position{Epoch: epoch, Offset: 2}) {
		t.Errorf("a room with members forgets messages, not its place: %v", top)
	}
	// A room that needs more than the total.
	for range 10 {
		enginetest.Publish(t, m, "d", data)
		if got := m.Stats().Bytes; got > total {
			t.Fatalf("%d bytes are over the total of %d", got, total)
		}
	}
	remembers("a", 0)
}

// A client may send one word to each of many rooms. So the total also counts the memory that each
// room needs besides its messages.
func TestMemoryTopicsAreBounded(t *testing.T) {
	const total = 1 << 20
	m, _ := newTestMemory(Limits{MaxTotal: total})
	for i := range 8000 {
		s, name := new(enginetest.Recorder), fmt.Sprintf("%0250d", i)
		m.Subscribe(name, enginetest.NoPayer, s)
		enginetest.Publish(t, m, name, nil)
		m.Unsubscribe(name, s)
	}
	if n := m.Stats().Topics; n > total/200 {
		t.Errorf("%d rooms are remembered, each with a name of 250 bytes, in a total of %d bytes", n, total)
	}
}

// The engine forgets every room in the end, and keeps nothing of it.
func TestMemoryForgetsAll(t *testing.T) {
	m, clock := newTestMemory(Limits{MaxAge: time.Minute})
	subs := map[string]*enginetest.Recorder{}
	for i := range 500 {
		name := fmt.Sprint(i)
		if i%2 == 0 {
			subs[name] = new(enginetest.Recorder)
			m.Subscribe(name, enginetest.NoPayer, subs[name])
		}
		if i%5 != 0 {
			enginetest.Publish(t, m, name, []byte("hello"))
		}
		clock.Advance(time.Second / 10)
	}
	clock.Advance(2 * time.Minute)
	m.Expire()
	if st := m.Stats(); st.Topics != len(subs) {
		t.Errorf("%+v, want %d topics with members", st, len(subs))
	}
	for name := range subs {
		if m.topics.Get(name).offset == 0 {
			continue // nobody asks: nothing is known of it
		}
		if h := enginetest.History(t, m, name, engine.Span{Limit: -1}); len(h.Publications) != 0 {
			t.Errorf("%s remembers %d messages", name, len(h.Publications))
		}
	}
	epoch := enginetest.History(t, m, "2", engine.Span{Limit: -1}).Top
	if pos := enginetest.Publish(t, m, "2", nil); pos.Epoch != epoch.Epoch || pos.Offset != 2 {
		t.Errorf("with members the epoch goes on: %v, was %v", pos, epoch)
	}
	for name, s := range subs {
		m.Unsubscribe(name, s)
	}
	clock.Advance(time.Minute) // not more than MaxAge
	m.Expire()
	if st := m.Stats(); st.Topics != 200 {
		t.Errorf("%d topics, want the 200 that had messages, for their time", st.Topics)
	}
	clock.Advance(1)
	m.Expire()
	if st := m.Stats(); st != (engine.Stats{}) || m.topics.Len() != 0 || m.recent != (recent{}) {
		t.Errorf("left behind: %+v, in the list: %+v", st, m.recent)
	}
	if pos := enginetest.Publish(t, m, "2", nil); pos.Epoch == epoch.Epoch || pos.Offset != 1 {
		t.Errorf("made anew at %v, was %v", pos, epoch)
	}
}

// A client that has read an empty history knows the room's epoch, and may recover with it later.
func TestMemoryKeepsAnEpochThatWasTold(t *testing.T) {
	m, clock := newTestMemory(Limits{MaxAge: time.Minute})
	s := new(enginetest.Recorder)
	m.Subscribe("a", enginetest.NoPayer, s)
	epoch := enginetest.History(t, m, "a", engine.Span{Limit: -1}).Top.Epoch
	m.Unsubscribe("a", s)
	clock.Advance(time.Minute)
	m.Expire()
	if again := enginetest.History(t, m, "a", engine.Span{Limit: -1}).Top.Epoch; epoch == "" || again != epoch {
		t.Errorf("the epoch was %q and is %q", epoch, again)
	}
	clock.Advance(time.Minute + 1)
	m.Expire()
	if st := m.Stats(); st != (engine.Stats{}) {
		t.Errorf("left behind: %+v", st)
	}
}

// Reading a small part of a long history costs little.
func TestMemoryHistoryCopiesWhatItAnswers(t *testing.T) {
	m, _ := newTestMemory(Limits{MaxMessages: 1000})
	for range 1000 {
		enginetest.Publish(t, m, "a", nil)
	}
	for _, newest := range []bool{false, true} {
		h := enginetest.History(t, m, "a", engine.Span{Limit: 3, Newest: newest})
		if len(h.Publications) != 3 || cap(h.Publications) > 10 {
			t.Errorf("newest %v: %d publications in room for %d", newest, len(h.Publications), cap(h.Publications))
		}
	}
}
