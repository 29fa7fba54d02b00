package jetstream

import (
	"bytes"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"webim/netpoll/wstest"
	"webim/room/engine"
	"webim/room/engine/jetstream/internal/cuts"
	"webim/room/engine/jetstream/internal/state"
)

// TestServerBehindIsNoLoss opens the streams again while a server answers that lacks the last messages: without a marker the streams
// do not open, and with one they are what they were. Nothing counts as lost, so no room gets a new epoch.
func TestServerBehindIsNoLoss(t *testing.T) {
	s := startServer(t)
	l := startLying(t, s)
	l.request, l.marker = "none", "none"
	e := openWith(t, Config{Keep: always, Connect: l.connect})
	k := engine.Key{Table: engine.TableBan, Name: "ann"}
	write := func(n int) {
		t.Helper()
		publish(t, e, "r", said(fmt.Sprint("user", n), "x"))
		if _, err := put(t, e, engine.Entry{Key: k, Version: engine.AnyVersion, Value: bytes.Repeat([]byte("x"), n)}); err != nil {
			t.Fatal(err)
		}
	}
	writes := 1
	write(writes)
	stateMarker, _ := state.Marker()
	c := e.class("r")
	for _, one := range []struct {
		stream, marker string
		open           func() error
		is             func() string
	}{
		{ever, everMarker, func() error { return e.openClass(t.Context(), c) }, func() string { return *c.incarnation.Load() }},
		{state.Stream, stateMarker[:len(stateMarker)-1], func() error { return e.openState(t.Context()) }, e.state.Incarnation},
		{"KEYS", "key.=proof-", func() error { _, err := e.userKeys.Reopen(t.Context()); return err }, e.userKeys.Incarnation},
	} {
		writes++
		old, err := e.nc.Request("$JS.API.STREAM.INFO."+one.stream, nil, 10*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		at := e.state.Position()
		write(writes)
		wstest.Eventually(t, "the copy has the new entry", func() bool { return e.state.Position() > at })
		was := one.is()
		l.mu.Lock()
		l.request, l.answer, l.marker = "$JS.API.STREAM.INFO."+one.stream, string(old.Data), one.marker
		l.mu.Unlock()
		for _, loses := range []bool{true, false} {
			l.set(true, loses)
			denied := l.hasDenied()
			if err := one.open(); (err != nil) != loses {
				t.Errorf("%s, markers are lost: %v: %v", one.stream, loses, err)
			}
			if is := one.is(); is != was {
				t.Errorf("%s: the incarnation is %s and was %s", one.stream, is, was)
			}
			if l.hasDenied() == denied {
				t.Error("no old answer came, so the test proves nothing")
			}
		}
		l.set(false, false)
	}
	write(9)
	if got := get(t, e, k); len(got.Value) != 9 {
		t.Errorf("the entry is %+v", got)
	}
}

// TestOneMessageIsLost loses only the last message of a log while a node knows it: that is a loss.
func TestOneMessageIsLost(t *testing.T) {
	s := startServer(t)
	e := open(t, s, Config{Keep: always})
	c := e.class("r")
	last := publish(t, e, "r", text("x")).pos.Offset
	was := *c.incarnation.Load()
	c.known.See(*c.incarnation.Load(), last+1)
	if err := e.openClass(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if is := *c.incarnation.Load(); is == was {
		t.Error("the incarnation is the same")
	}
}

// lagging opens a node that follows a room in which another node has said n things, of which the last did not arrive. Its reads are
// answered by a server that has nothing of the log whenever behind says so.
func lagging(t *testing.T, n int, behind func() bool) (e *Engine, r *recorder) {
	t.Helper()
	s := startServer(t)
	var begun atomic.Bool
	e = open(t, s, Config{Keep: always, sweep: time.Hour, empty: func() bool { return begun.Load() && behind() }})
	other := open(t, s, Config{Keep: always})
	r = subscribe(t, e, "r")
	for i := range n {
		if i == 1 {
			r.wait(t, "the first", func() bool { return len(r.got) == 1 })
			deaf(t, e, "r")
		}
		if got := publish(t, other, "r", text(fmt.Sprint(i))); got.err != nil {
			t.Fatal(got.err)
		}
	}
	begun.Store(true)
	return e, r
}

// missing makes a topic look for what it has missed, after it has failed so many times.
func missing(topic *topic, upTo uint64, tries int) {
	topic.mu.Lock()
	topic.upTo, topic.catching = upTo, true
	topic.mu.Unlock()
	topic.catchUp(effort{tries: tries})
}

// TestCatchUpWithServerBehind lets a room catch up while every other read finds nothing: as long as it gets on, it does not give up.
func TestCatchUpWithServerBehind(t *testing.T) {
	var asked atomic.Int64
	e, r := lagging(t, 4, func() bool { return asked.Add(1)%2 == 1 })
	missing(e.topic("r"), 4, maxTries-1)
	r.wait(t, "all", func() bool { return len(r.got) == 4 })
	checkChain(t, r.got)
	if len(r.begins) != 1 {
		t.Errorf("the room has begun %d times", len(r.begins))
	}
}

// TestClientIsAheadOfTheNode lets clients come back with positions above the end that their node knows: the node asks the leader. One of
// them has its position from another node, and the other one from a former epoch.
func TestClientIsAheadOfTheNode(t *testing.T) {
	e, r := lagging(t, 4, func() bool { return true })
	for _, behind := range []uint64{4, 9} {
		h := history(t, e, "r", engine.Span{Behind: behind, Limit: -1, Places: true})
		if h.Top.Offset != 4 || len(h.Publications) != 0 {
			t.Errorf("behind %d: %d publications up to %+v", behind, len(h.Publications), h.Top)
		}
	}
	r.wait(t, "all", func() bool { return len(r.got) == 4 })
	checkChain(t, r.got)
}

// TestClientIsAheadInARoomWithoutMembersHere does the same in rooms without members here, whose first read a server answers that has
// nothing of the log: of clients that come back, of those that read on, and of those that only ask for the end.
func TestClientIsAheadInARoomWithoutMembersHere(t *testing.T) {
	s := startServer(t)
	var lies atomic.Int64
	e := open(t, s, Config{Keep: always, empty: func() bool { return lies.Add(-1) >= 0 }})
	other := open(t, s, Config{Keep: always})
	for i, part := range []engine.Span{{Limit: -1, Places: true}, {Limit: 10}, {Limit: 0}, {Limit: 10, Newest: true, Before: 1000}} {
		for _, ahead := range []uint64{0, 9} {
			room := fmt.Sprint("r", i, "-", ahead)
			var end engine.Position
			for range 4 {
				end = publish(t, other, room, text("x")).pos
			}
			lies.Store(2) // the answers where the log begins, and where it ends
			part.Behind = end.Offset + ahead
			if h := history(t, e, room, part); h.Top != end || len(h.Publications) != 0 {
				t.Errorf("%+v: %d publications up to %+v, want none up to %+v", part, len(h.Publications), h.Top, end)
			}
			if lies.Load() > 0 {
				t.Error("not all lies were told, so the test proves nothing")
			}
		}
	}
}

// TestTopicBeginsEarly opens a room while a server answers that has nothing of the log. Its members get what it lacks when another node says
// the next thing: each publication once, in order.
func TestTopicBeginsEarly(t *testing.T) {
	s := startServer(t)
	var lies atomic.Int64
	e := open(t, s, Config{Keep: always, sweep: time.Hour, empty: func() bool { return lies.Add(-1) >= 0 }})
	other := open(t, s, Config{Keep: always})
	for range 3 {
		publish(t, other, "r", text("before"))
	}
	lies.Store(2)
	r := subscribe(t, e, "r")
	if at := r.begins[0]; at.Offset != 0 {
		t.Fatalf("the room begins at %+v, so the test proves nothing", at)
	}
	publish(t, other, "r", text("the next one"))
	r.wait(t, "all", func() bool { return len(r.got) == 4 })
	checkChain(t, r.got)
	if len(r.begins) != 1 {
		t.Errorf("the room has begun %d times", len(r.begins))
	}
}

// TestLeaderDecidesWhatIsGone lets a room look for publications that a server never finds: the leader has them, so the members get all.
// What the leader does not have either was removed, and the room begins anew at the end that the leader knows.
func TestLeaderDecidesWhatIsGone(t *testing.T) {
	e, r := lagging(t, 4, func() bool { return true })
	missing(e.topic("r"), 4, maxTries)
	r.wait(t, "all", func() bool { return len(r.got) == 4 })
	checkChain(t, r.got)
	if len(r.begins) != 1 {
		t.Errorf("the room has begun %d times", len(r.begins))
	}
	missing(e.topic("r"), 9, maxTries)
	r.wait(t, "another beginning", func() bool { return len(r.begins) == 2 })
	if at := r.begins[1].Offset; at != 4 {
		t.Errorf("the room goes on at %d, want 4", at)
	}
}

// TestNewIncarnationWithServerBehind gives the stream of a room a new incarnation while a server answers that has nothing of the log: the
// room begins at the end that the leader knows.
func TestNewIncarnationWithServerBehind(t *testing.T) {
	e, r := lagging(t, 4, func() bool { return true })
	e.class("r").incarnation.Store(new("NEW"))
	e.topic("r").check()
	r.wait(t, "another beginning", func() bool { return len(r.begins) == 2 })
	if at := r.begins[1]; at.Offset != 4 || cuts.Incarnation(at.Epoch) != "NEW" {
		t.Errorf("the room begins at %+v, want 4", at)
	}
}

// TestLastMemberLeavesDuringRead reads the history of a room whose last member leaves meanwhile, and a server that is behind
// says where the log ends: the answer has everything up to the position that it names.
func TestLastMemberLeavesDuringRead(t *testing.T) {
	var asked atomic.Int64
	e, r := lagging(t, 1, func() bool { return asked.Add(1) <= 3 })
	r.wait(t, "the publication", func() bool { return len(r.got) == 1 })
	topic := e.topic("r")
	topic.forgetRecent()
	e.Unsubscribe("r", r)
	part := e.fill("r", topic, e.keepOf("r", nil))
	if part.Err != nil {
		t.Fatal(part.Err)
	}
	if h := part.History(engine.Span{Limit: -1}); len(h.Publications) != 1 || h.Top.Offset != 1 {
		t.Errorf("%d publications up to %d, want 1 up to 1", len(h.Publications), h.Top.Offset)
	}
}

// TestStateWaitsForServerBehind loads the State from a consumer that lacks a change which another node has confirmed: the copy is
// whole only when that has come.
func TestStateWaitsForServerBehind(t *testing.T) {
	s := startServer(t)
	e, other := open(t, s, Config{Keep: always}), open(t, s, Config{Keep: always})
	k := engine.Key{Table: engine.TableBan, Name: "ann"}
	if _, err := put(t, e, engine.Entry{Key: k, Version: engine.AnyVersion, Value: []byte("one")}); err != nil {
		t.Fatal(err)
	}
	e.stateMu.Lock()
	defer e.stateMu.Unlock()
	incarnation := e.state.Incarnation()
	last, err := e.stateLeader.Last(t.Context(), state.Stream, state.Subjects)
	if err != nil {
		t.Fatal(err)
	}
	loaded := make(chan error, 1)
	go func() { loaded <- e.state.Load(t.Context(), incarnation, last.Seq+1) }()
	wstest.Eventually(t, "the copy is read again", func() bool { return e.state.Position() > 0 && !e.state.Follows(incarnation) })
	if _, err := put(t, other, engine.Entry{Key: k, Version: engine.AnyVersion, Value: []byte("two")}); err != nil {
		t.Fatal(err)
	}
	if err := <-loaded; err != nil {
		t.Fatal(err)
	}
	if is := get(t, e, k); string(is.Value) != "two" || !e.state.Follows(incarnation) {
		t.Errorf("the entry is %q", is.Value)
	}
}
