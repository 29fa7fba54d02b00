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
	window := time.Minute
	if with.RealKeys {
		window = 3 * time.Second // long enough for a few calls
	}
	c := with.start(t, Limits{KeyWindow: window})
	s := new(Recorder)
	c.node(0).Subscribe("a", NoPayer, s)
	s.begin(t)
	first, delivered := map[string]engine.Position{}, 0
	check := func(i int, room, key, data string, want error, as string) {
		t.Helper()
		if checkKey(t, c.node(i), room, key, data, want, as, first) && room == "a" {
			delivered++
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
	if !with.RealKeys {
		c.clock.Advance(window - time.Second)
		check(1, "a", "k", "x", engine.ErrRepeated, "1")
	} else if took := time.Since(began); took > window {
		t.Fatalf("the calls took %v, longer than the window of %v", took, window)
	}
	c.pass(window) // also where the engine knows keys besides the store
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

// checkKey publishes a message with a Key, if key is not empty, and compares the error. first has the positions of the
// messages that were published, by the names that the test gives them. It reports whether this one was.
func checkKey(t *testing.T, e engine.Engine, room, key, data string, want error, as string, first map[string]engine.Position) bool {
	t.Helper()
	m := engine.Message{Op: ws.OpText, Data: []byte(data), Key: key}
	known, knownErr := isKnown(t, e, room, m)
	got, err := publish(t, e, room, m)
	if err != want || key != "" && knownErr != want {
		t.Errorf("%s %q %s: %v, and before that Known says %v; want %v", room, key, data, err, knownErr, want)
	}
	if err == nil {
		first[as] = got
	}
	if err == engine.ErrRepeated && (got != first[as] || known != got) {
		t.Errorf("repeated at %v and %v, published at %v", got, known, first[as])
	}
	return err == nil
}

// isKnown calls Known.
func isKnown(t rapid.TB, e engine.Engine, room string, m engine.Message) (pos engine.Position, err error) {
	t.Helper()
	call(t, "Known", func(done func()) {
		e.Known(room, m, func(p engine.Position, failed error) { pos, err = p, failed; done() })
	})
	return pos, err
}
