package jetstream

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"webim/netpoll/wstest"
	"webim/room/engine"
	"webim/room/engine/jetstream/internal/frames"
	"webim/room/engine/jetstream/natstest"
)

// urgent are entries of all tables whose changes are told at once.
var urgent = []engine.Key{{Table: engine.TableBan, Of: "r", Name: "eve"}, {Table: engine.TableBanIP, Name: "192.0.2.0/24"}, {Table: engine.TableMute, Name: "eve"},
	{Table: engine.TableRevoked, Of: "eve"}, {Table: engine.TableErased, Of: "eve"}, {Table: engine.TableMember, Of: "$r", Name: "eve"}, {Table: engine.TableRoom, Of: "r"}}

// startBehind opens two nodes. The State of the second one is held back.
func startBehind(t *testing.T) (a, b *Engine, hold *natstest.Hold) {
	t.Helper()
	s := startServer(t)
	hold = natstest.NewHold(s)
	a, b = open(t, s, Config{}), openWith(t, Config{Connect: hold.Connect})
	wstest.Eventually(t, "the copy is current", func() bool { return !b.StateIsOld() })
	hold.Begin(t)
	return a, b, hold
}

// TestUrgentChangesComeAtOnce checks that a node whose copy of the State is held back has the changes of urgent entries, and
// their removals, in the order in which they were made; and that its copy is right when it goes on.
func TestUrgentChangesComeAtOnce(t *testing.T) {
	a, b, hold := startBehind(t)
	var mu sync.Mutex
	seen := map[engine.Key][]string{}
	for _, k := range urgent {
		b.Watch(k.Table, func(_, is engine.Entry) {
			mu.Lock()
			defer mu.Unlock()
			seen[is.Key] = append(seen[is.Key], string(is.Value))
		})
	}
	has := func(e *Engine, k engine.Key, want string) func() bool {
		return func() bool { return string(e.state.Entry(k).Value) == want }
	}
	late := engine.Key{Table: engine.TableMark, Of: "eve", Name: "r"}
	if _, err := put(t, a, engine.Entry{Key: late, Value: []byte("1")}); err != nil {
		t.Fatal(err)
	}
	for i, k := range urgent {
		for _, v := range []string{"1", "2"} {
			if _, err := put(t, a, engine.Entry{Key: k, Value: []byte(v), Version: engine.AnyVersion}); err != nil {
				t.Fatal(err)
			}
		}
		wstest.Eventually(t, fmt.Sprint(k, " is there"), has(b, k, "2"))
		if i%2 == 0 {
			if err := remove(t, a, k, engine.AnyVersion); err != nil {
				t.Fatal(err)
			}
			wstest.Eventually(t, fmt.Sprint(k, " is gone"), has(b, k, ""))
		}
	}
	if b.state.Entry(late).Version != 0 {
		t.Fatal("the copy is not held back, so the test proves nothing")
	}
	// The node itself writes, also while its copy is held back, and then others know it.
	if _, err := put(t, b, engine.Entry{Key: urgent[0], Value: []byte("3")}); err != nil {
		t.Fatal(err)
	}
	wstest.Eventually(t, "the other node has it", has(a, urgent[0], "3"))
	hold.End()
	wstest.Eventually(t, "the copy goes on", has(b, late, "1"))
	for i, k := range urgent {
		want := []string{"1", "2"}
		if i%2 == 0 {
			want = append(want, "")
		}
		if i == 0 {
			want = append(want, "3")
		}
		if is, other := b.state.Entry(k), a.state.Entry(k); is.Version != other.Version || string(is.Value) != string(other.Value) {
			t.Errorf("%v is %q in version %d, and on the other node %q in version %d", k, is.Value, is.Version, other.Value, other.Version)
		}
		mu.Lock()
		if !slices.Equal(seen[k], want) {
			t.Errorf("the watcher of %v saw %q, want %q", k, seen[k], want)
		}
		mu.Unlock()
	}
}

// TestLateMessageUndoesNothing checks that a message about a change has no effect when the copy has it, or a later one; when it
// is about another stream, or about an entry that is not urgent.
func TestLateMessageUndoesNothing(t *testing.T) {
	e := open(t, startServer(t), Config{})
	k := urgent[0]
	first, err := put(t, e, engine.Entry{Key: k, Value: []byte("banned")})
	if err != nil {
		t.Fatal(err)
	}
	if err := remove(t, e, k, engine.AnyVersion); err != nil {
		t.Fatal(err)
	}
	ban := []byte("\x01\x00\x00\x00banned")
	late := frames.Change{Incarnation: e.state.Incarnation(), Sequence: first, Subject: "state.ban.r.eve", Data: ban}
	other, mark := late, late
	other.Incarnation, other.Sequence = "another", first+100
	mark.Subject, mark.Sequence = "state.mark.r.eve", first+100
	for _, c := range []frames.Change{late, other, mark} {
		if e.state.Ahead(c); e.state.Entry(k).Version != 0 || e.state.Entry(engine.Key{Table: "mark", Of: "r", Name: "eve"}).Version != 0 {
			t.Errorf("%+v changes the copy", c)
		}
	}
	late.Sequence = first + 100
	if e.state.Ahead(late); string(e.state.Entry(k).Value) != "banned" {
		t.Error("a message has no effect at all, so the test proves nothing")
	}
}

// TestExpiredOnTheWay checks that watchers hear of a change that has expired when the message about it comes, as they do if the
// stream brings it: of the entry, and of its end.
func TestExpiredOnTheWay(t *testing.T) {
	a, b, _ := startBehind(t)
	var mu sync.Mutex
	seen := map[engine.Key][]string{}
	for _, k := range urgent {
		b.Watch(k.Table, func(_, is engine.Entry) {
			mu.Lock()
			defer mu.Unlock()
			seen[is.Key] = append(seen[is.Key], string(is.Value))
		})
		if _, err := put(t, a, engine.Entry{Key: k, Value: []byte("1"), Expires: time.Now().Add(-time.Second)}); err != nil {
			t.Fatal(err)
		}
	}
	for _, k := range urgent {
		wstest.Eventually(t, fmt.Sprint("the watcher of ", k, " sees it come and go"), func() bool {
			mu.Lock()
			defer mu.Unlock()
			return slices.Equal(seen[k], []string{"1", ""})
		})
	}
}

// TestWrongMessageEnds checks that the State decides: a change that the leader of the stream does not know for a long time is
// taken back, and the entry of the stream is there again.
func TestWrongMessageEnds(t *testing.T) {
	e := open(t, startServer(t), Config{})
	k := urgent[0]
	right, err := put(t, e, engine.Entry{Key: k, Value: []byte("true")})
	if err != nil {
		t.Fatal(err)
	}
	e.state.Ahead(frames.Change{Incarnation: e.state.Incarnation(), Sequence: right + 1000, Subject: "state.ban.r.eve", Data: []byte("\x01\x00\x00\x00wrong")})
	if got := e.state.Entry(k); string(got.Value) != "wrong" {
		t.Fatalf("the entry is %q", got.Value)
	}
	e.state.Prove(right, time.Now().Add(time.Second))
	if got := e.state.Entry(k); string(got.Value) != "wrong" {
		t.Errorf("after a second, the entry is %q", got.Value)
	}
	e.state.Prove(right, time.Now().Add(time.Hour))
	wstest.Eventually(t, "the entry of the stream is back", func() bool { return string(e.state.Entry(k).Value) == "true" })
}
