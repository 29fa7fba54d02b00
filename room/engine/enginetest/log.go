package enginetest

import (
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"webim/room/engine"
)

// testConcurrentPublishers has many goroutines publish to one room at once, and to other rooms that
// come and go and expire: the subscribers of two hubs get the same, in the order of offsets.
func testConcurrentPublishers(t *testing.T, with Implementation) {
	const publishers, messages = 8, 300
	clock := new(Clock)
	m := with.New(Limits{Age: time.Minute, Total: 20_000, Clock: clock})
	hubs := []*Exclusive{{}, {}}
	for _, h := range hubs {
		m.Subscribe("a", NoPayer, h)
	}
	var wg sync.WaitGroup
	var done [publishers]int
	for i := range publishers {
		wg.Go(func() {
			for k := range messages {
				m.Publish("a", engine.Message{Op: ws.OpText, Data: fmt.Appendf(nil, "%d:%d", i, k)}, func(engine.Position, error) { done[i]++ })
				other, s := fmt.Sprint(k%7), new(Recorder)
				m.Subscribe(other, NoPayer, s)
				m.Publish(other, engine.Message{Op: ws.OpText, Data: nil}, nil)
				m.History(other, engine.Span{Limit: 3}, func(engine.History, error) {})
				m.Unsubscribe(other, s)
				if len(s.Got) == 0 {
					t.Error("a subscriber missed its own message")
				}
				if k%50 == 0 {
					clock.Advance(time.Minute)
					expire(m)
				}
			}
		})
	}
	wg.Wait()
	for i, h := range hubs {
		if h.Overlap.Load() || len(h.Got) != publishers*messages {
			t.Errorf("hub %d: overlapping calls: %v; %d messages of %d", i, h.Overlap.Load(), len(h.Got), publishers*messages)
		}
		if !slices.EqualFunc(h.Got, hubs[0].Got, Same) {
			t.Errorf("hub %d got another sequence", i)
		}
	}
	checkOrder(t, hubs[0].Got)
	for i, n := range done {
		if n != messages {
			t.Errorf("the done of publisher %d was called %d times of %d", i, n, messages)
		}
	}
}

// checkOrder checks that each publication names the one before it, and that the messages of each
// publisher, "PUBLISHER:NUMBER", are in the order of their numbers.
func checkOrder(t *testing.T, got []engine.Publication) {
	t.Helper()
	next, last := map[int]int{}, uint64(0)
	for k, p := range got {
		var i, n int
		fmt.Sscanf(string(p.Data), "%d:%d", &i, &n)
		if p.Offset <= last || p.Prev != last || n != next[i] {
			t.Fatalf("publication %d after %d is %+v, a publisher's message %d, want %d", k, last, p, n, next[i])
		}
		next[i]++
		last = p.Offset
	}
}

// testHistoryBehindTheEnd reads behind offsets that clients may name: any number.
func testHistoryBehindTheEnd(t *testing.T, with Implementation) {
	m := with.New(Limits{})
	top := Publish(t, m, "a", nil).Offset
	for _, since := range []uint64{top, top + 1, math.MaxInt64, math.MaxInt64 + 1, math.MaxInt64 + 5, math.MaxUint64 - 1, math.MaxUint64} {
		if h := History(t, m, "a", engine.Span{Behind: since, Limit: -1}); len(h.Publications) != 0 {
			t.Errorf("behind %d there are %d publications", since, len(h.Publications))
		}
	}
}

// testKeys checks that a key is valid for its window, in its room, for its content.
func testKeys(t *testing.T, with Implementation) {
	clock := new(Clock)
	m := with.New(Limits{KeyWindow: time.Minute, Clock: clock})
	s := new(Recorder)
	m.Subscribe("a", NoPayer, s)
	first := map[string]engine.Position{}
	delivered := 0
	for i, c := range []struct {
		after           time.Duration
		room, key, data string
		want            error
		as              string // the publication, by a name of its own
	}{
		{0, "a", "k", "x", nil, "1"},
		{0, "a", "k", "x", engine.ErrRepeated, "1"},
		{0, "a", "k", "y", engine.ErrKeyReused, ""},
		{0, "a", "", "x", nil, "2"}, // without a key
		{0, "a", "", "x", nil, "3"},
		{0, "b", "k", "y", nil, "4"},
		{59 * time.Second, "a", "k", "x", engine.ErrRepeated, "1"},
		{time.Second, "a", "k", "y", nil, "5"}, // the window is over
	} {
		clock.Advance(c.after)
		msg := engine.Message{Op: ws.OpText, Data: []byte(c.data), Key: c.key}
		var known, got engine.Position
		var knownErr, err error
		m.Known(c.room, msg, func(p engine.Position, e error) { known, knownErr = p, e })
		m.Publish(c.room, msg, func(p engine.Position, e error) { got, err = p, e })
		if err != c.want || c.key != "" && knownErr != c.want {
			t.Errorf("%d: %+v: %v, and before that Known says %v", i, c, err, knownErr)
		}
		switch {
		case err == nil:
			first[c.as] = got
			if c.room == "a" {
				delivered++
			}
		case err == engine.ErrRepeated && (got != first[c.as] || known != got):
			t.Errorf("%d: repeated at %v and %v, published at %v", i, got, known, first[c.as])
		}
	}
	if len(s.Got) != delivered {
		t.Errorf("the subscriber got %d messages, want %d", len(s.Got), delivered)
	}
}

// testRemoveHistory checks that a removed history begins a new epoch, which subscribers learn.
func testRemoveHistory(t *testing.T, with Implementation) {
	m := with.New(Limits{})
	s := new(Recorder)
	m.Subscribe("a", NoPayer, s)
	before := Publish(t, m, "a", []byte("x"))
	m.RemoveHistory("a", func(err error) {
		if err != nil {
			t.Error(err)
		}
	})
	h := History(t, m, "a", engine.Span{Limit: -1})
	if len(h.Publications) != 0 || h.Top.Epoch == before.Epoch || h.Top.Offset != before.Offset {
		t.Errorf("after it: %+v, before it: %v", h, before)
	}
	if len(s.Begins) != 2 || s.Begins[1] != h.Top {
		t.Errorf("the subscriber began at %v, want %v at the end", s.Begins, h.Top)
	}
	if after := Publish(t, m, "a", []byte("y")); after.Epoch != h.Top.Epoch || after.Offset <= before.Offset {
		t.Errorf("the next message is at %v", after)
	}
	m.RemoveHistory("unknown", func(err error) {
		if err != nil {
			t.Error(err)
		}
	})
	if with.CheckRooms != nil {
		with.CheckRooms(t, m, 1)
	}
}

// testRedact checks that redacting leaves offsets, authors and times, and the tags of an event.
func testRedact(t *testing.T, with Implementation) {
	m := with.New(Limits{})
	var at []uint64
	for i := range 3 {
		m.Publish("a", engine.Message{Op: ws.OpText, Data: fmt.Append(nil, i), From: &engine.Author{User: "ann", Client: "1"},
			Tags: map[string]string{engine.TagEvent: engine.EventEdit, engine.TagOf: "7", "more": "x"}}, func(p engine.Position, _ error) { at = append(at, p.Offset) })
	}
	before := History(t, m, "a", engine.Span{Limit: -1}).Publications
	m.Redact("a", []uint64{at[1], 99}, func(err error) {
		if err != nil {
			t.Error(err)
		}
	})
	for i, p := range History(t, m, "a", engine.Span{Limit: -1}).Publications {
		was := before[i]
		if p.Redacted() != (i == 1) || p.Offset != was.Offset || p.Prev != was.Prev || !p.Time.Equal(was.Time) || p.From.User != "ann" {
			t.Errorf("%+v, was %+v", p, was)
		}
		if i == 1 && (string(p.Data) != "{}" || p.Tags[engine.TagEvent] != engine.EventEdit || p.Tags[engine.TagOf] != "7" || p.Tags["more"] != "") {
			t.Errorf("redacted: %s, %v", p.Data, p.Tags)
		}
	}
	if string(before[1].Data) != "1" {
		t.Errorf("an answer has changed: %s", before[1].Data)
	}
}

// testEvents checks that of the events with one key the last is kept, that messages stay however
// many events come, and that nobody misses a superseded event.
func testEvents(t *testing.T, with Implementation) {
	m := with.New(Limits{Messages: 60, Bytes: 4000})
	said := Publish(t, m, "r", []byte("a message"))
	for i := range 1000 {
		Announce(m, "r", "roster ann", fmt.Sprint(i))
	}
	h := History(t, m, "r", engine.Span{Limit: -1})
	if len(h.Publications) != 2 || h.Publications[0].Offset != said.Offset || string(h.Publications[1].Data) != "999" {
		t.Fatalf("kept: %+v", h.Publications)
	}
	if last := h.Publications[1]; last.Prev != said.Offset || last.Offset != h.Top.Offset {
		t.Errorf("the last event is %+v, at the top %v", last, h.Top)
	}
}
