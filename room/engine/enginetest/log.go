package enginetest

import (
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"pgregory.net/rapid"

	"webim/room/engine"
)

// testConcurrentPublishers has many goroutines publish to one room at once, and to other rooms that
// come and go and expire: the subscribers of two hubs get the same, in the order of offsets.
func testConcurrentPublishers(t *testing.T, with Implementation) {
	const publishers, messages = 8, 300
	c := with.start(t, Limits{Age: time.Minute, Total: 20_000})
	hubs := []*Exclusive{{}, {}}
	for i, h := range hubs {
		c.node(i).Subscribe("a", NoPayer, h)
		h.begin(t)
	}
	var wg sync.WaitGroup
	for i := range publishers {
		wg.Go(func() {
			m := c.node(i)
			for k := range messages {
				if _, err := publish(t, m, "a", engine.Message{Op: ws.OpText, Data: fmt.Appendf(nil, "%d:%d", i, k)}); err != nil {
					t.Error(err)
				}
				if k%10 == 0 {
					visit(t, m, fmt.Sprint(k%7))
				}
				if k%50 == 0 {
					c.pass(time.Minute)
				}
			}
		})
	}
	wg.Wait()
	for i, h := range hubs {
		awaitCount(t, &h.Recorder, publishers*messages)
		if h.Overlap.Load() {
			t.Errorf("hub %d: calls overlap", i)
		}
		if !slices.EqualFunc(h.Got(), hubs[0].Got(), Same) {
			t.Errorf("hub %d got another sequence", i)
		}
	}
	checkOrder(t, hubs[0].Got(), hubs[0].begin(t).Offset)
}

// visit subscribes to a room, publishes to it, reads it, and leaves it. It runs on any goroutine.
func visit(t *testing.T, m engine.Engine, room string) {
	s := new(Recorder)
	m.Subscribe(room, NoPayer, s)
	s.begin(t)
	publish(t, m, room, engine.Message{Op: ws.OpText})
	awaitCount(t, s, 1) // its own message, or others
	m.History(room, engine.Span{Limit: 3}, func(engine.History, error) {})
	m.Unsubscribe(room, s)
}

// awaitCount waits until a subscriber has got that many publications.
func awaitCount(t rapid.TB, s *Recorder, least int) {
	t.Helper()
	eventually(t, func() error {
		if n := len(s.Got()); n < least {
			return fmt.Errorf("the subscriber has got %d publications of %d", n, least)
		}
		return nil
	})
}

// checkOrder checks that each publication names the one before it, and that the messages of each
// publisher, "PUBLISHER:NUMBER", are in the order of their numbers.
func checkOrder(t *testing.T, got []engine.Publication, last uint64) {
	t.Helper()
	next := map[int]int{}
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
	m := with.start(t, Limits{}).node(0)
	top := Publish(t, m, "a", nil).Offset
	for _, since := range []uint64{top, top + 1, math.MaxInt64, math.MaxInt64 + 1, math.MaxInt64 + 5, math.MaxUint64 - 1, math.MaxUint64} {
		if h := History(t, m, "a", engine.Span{Behind: since, Limit: -1}); len(h.Publications) != 0 {
			t.Errorf("behind %d there are %d publications", since, len(h.Publications))
		}
	}
}

// testKeys checks that a key is valid for its window, in its room, for its content, on every node.
func testKeys(t *testing.T, with Implementation) {
	window := with.age()
	c := with.start(t, Limits{KeyWindow: window})
	s := new(Recorder)
	c.node(0).Subscribe("a", NoPayer, s)
	s.begin(t)
	first := map[string]engine.Position{}
	delivered := 0
	check := func(i int, room, key, data string, want error, as string) {
		t.Helper()
		m, msg := c.node(i), engine.Message{Op: ws.OpText, Data: []byte(data), Key: key}
		known, knownErr := isKnown(t, m, room, msg)
		got, err := publish(t, m, room, msg)
		if err != want || key != "" && knownErr != want {
			t.Errorf("%d: %s %q %s: %v, and before that Known says %v; want %v", i, room, key, data, err, knownErr, want)
		}
		switch {
		case err == nil:
			first[as] = got
			if room == "a" {
				delivered++
			}
		case err == engine.ErrRepeated && (got != first[as] || known != got):
			t.Errorf("%d: repeated at %v and %v, published at %v", i, got, known, first[as])
		}
	}
	began := time.Now()
	check(0, "a", "k", "x", nil, "1")
	check(0, "a", "k", "x", engine.ErrRepeated, "1")
	check(1, "a", "k", "x", engine.ErrRepeated, "1")
	check(0, "a", "k", "y", engine.ErrKeyReused, "")
	check(1, "a", "", "x", nil, "2") // without a key
	check(0, "a", "", "x", nil, "3")
	check(1, "b", "k", "y", nil, "4")
	if c.clock != nil {
		c.clock.Advance(window - time.Second)
		check(1, "a", "k", "x", engine.ErrRepeated, "1")
	} else if took := time.Since(began); took > window {
		t.Fatalf("the calls took %v, longer than the window of %v", took, window)
	}
	c.pass(time.Second)
	eventually(t, func() error {
		_, err := isKnown(t, c.node(0), "a", engine.Message{Op: ws.OpText, Data: []byte("y"), Key: "k"})
		return err
	})
	check(0, "a", "k", "y", nil, "5")
	awaitCount(t, s, delivered)
	if n := len(s.Got()); n != delivered {
		t.Errorf("the subscriber got %d messages, want %d", n, delivered)
	}
}

// isKnown calls Known.
func isKnown(t rapid.TB, e engine.Engine, room string, m engine.Message) (pos engine.Position, err error) {
	t.Helper()
	call(t, "Known", func(done func()) {
		e.Known(room, m, func(p engine.Position, failed error) { pos, err = p, failed; done() })
	})
	return pos, err
}

// testAge checks that a room forgets old messages, and that it keeps its position then. Another room
// keeps its messages for ever.
func testAge(t *testing.T, with Implementation) {
	age := with.age()
	c := with.start(t, Limits{Age: time.Hour})
	s, keep := new(Recorder), &engine.Retention{Messages: 10, Bytes: 1000, Age: age}
	c.node(0).Subscribe("a", NoPayer, s) // so that the room lasts
	pos, err := publish(t, c.node(0), "a", engine.Message{Op: ws.OpText, Data: []byte("x"), Keep: keep})
	if err != nil {
		t.Fatal(err)
	}
	ever := &engine.Retention{Messages: 10, Bytes: 1000, Age: engine.Forever}
	if _, err := publish(t, c.node(0), "ever", engine.Message{Op: ws.OpText, Data: []byte("x"), Keep: ever}); err != nil {
		t.Fatal(err)
	}
	read := func(i int) engine.History { return History(t, c.node(i), "a", engine.Span{Limit: -1, Keep: keep}) }
	if h := read(0); c.clock != nil && len(h.Publications) != 1 {
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
	if len(h.Publications) != 0 || h.Top.Epoch == before.Epoch || h.Top.Offset != before.Offset {
		t.Errorf("after it: %+v, before it: %v", h, before)
	}
	eventually(t, func() error {
		if all := s.Begins(); len(all) != 2 || all[1] != h.Top {
			return fmt.Errorf("the subscriber began at %v, want %v at the end", all, h.Top)
		}
		if on := History(t, c.node(1), "a", engine.Span{Limit: -1}); len(on.Publications) != 0 || on.Top != h.Top {
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
