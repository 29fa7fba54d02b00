package jetstream

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"webim/netpoll/wstest"
	"webim/room/budget"
	"webim/room/engine"
	"webim/room/engine/jetstream/internal/codec"
)

func TestPublishAndDeliver(t *testing.T) {
	s := startServer(t)
	a, b := open(t, s, Config{Keep: always}), open(t, s, Config{Keep: always})
	ra, rb := newRecorder(), newRecorder()
	a.Subscribe("a room", budget.Owner{}, ra)
	b.Subscribe("a room", budget.Owner{}, rb)
	for _, r := range []*recorder{ra, rb} {
		r.wait(t, "Begin", func() bool { return len(r.begins) == 1 })
	}
	const n = 500
	var last engine.Position
	for i := range n {
		e := []*Engine{a, b}[i%2]
		got := publish(t, e, "a room", text(fmt.Sprint(i)))
		if got.err != nil {
			t.Fatal(got.err)
		}
		last = got.pos
		if i%3 == 0 {
			publish(t, e, "another", text("x"))
		}
	}
	for _, r := range []*recorder{ra, rb} {
		r.wait(t, "all publications", func() bool { return len(r.got) == n })
		checkChain(t, r.got)
		for i, p := range r.got {
			if string(p.Data) != fmt.Sprint(i) {
				t.Fatalf("publication %d is %s", i, p.Data)
			}
		}
		if r.got[n-1].Offset != last.Offset || r.begins[0].Epoch != last.Epoch {
			t.Errorf("the last one is at %d, published at %v", r.got[n-1].Offset, last)
		}
	}
}

// TestHistoryAtOnce reads a history right after Subscribe, as a join does.
func TestHistoryAtOnce(t *testing.T) {
	s := startServer(t)
	e := open(t, s, Config{Keep: always})
	for i := range 100 {
		room := fmt.Sprint(i)
		publish(t, e, room, text("x"))
		e.Subscribe(room, budget.Owner{}, newRecorder())
		if h := history(t, e, room, engine.Span{Limit: -1}); len(h.Publications) != 1 || h.Top.Epoch == "" {
			t.Fatalf("room %s: %+v", room, h)
		}
	}
}

// TestHistoryOracle compares all kinds of spans, on a node with members and on one without, after
// restarts of the node, with the plain answer.
func TestHistoryOracle(t *testing.T) {
	s := startServer(t)
	e := open(t, s, Config{Keep: always})
	r := newRecorder()
	e.Subscribe("r", budget.Owner{}, r)
	r.wait(t, "Begin", func() bool { return len(r.begins) == 1 })
	var all []uint64
	for i := range 700 {
		if i%5 == 0 {
			publish(t, e, fmt.Sprint("other", i%7), text("x"))
		}
		all = append(all, publish(t, e, "r", text(fmt.Sprint(i))).pos.Offset)
	}
	fresh := open(t, s, Config{Keep: always})
	for _, node := range []*Engine{e, fresh} {
		for _, part := range []engine.Span{
			{Limit: 0}, {Limit: 10, Newest: true}, {Limit: 50, Newest: true, Before: all[350]}, {Limit: 50, Newest: true, Before: all[10]},
			{Limit: 300, Newest: true}, {Limit: 500, Newest: true, Before: all[600] + 1}, {Behind: all[690], Limit: -1}, {Behind: all[100], Limit: 20},
			{Behind: all[100], Before: all[130], Limit: -1}, {Limit: 5}, {Limit: 700}, {Limit: 700, Newest: true}, {Behind: all[699], Limit: -1}, {Behind: 1 << 63, Limit: -1},
			{Behind: all[3], Before: all[600], Limit: 40, Newest: true},
		} {
			h := history(t, node, "r", part)
			var want []int
			for i, at := range all {
				if at > part.Behind && (part.Before == 0 || at < part.Before) {
					want = append(want, i)
				}
			}
			if part.Limit >= 0 && len(want) > part.Limit {
				if part.Newest {
					want = want[len(want)-part.Limit:]
				} else {
					want = want[:part.Limit]
				}
			}
			got := h.Publications
			if h.Top.Offset != all[len(all)-1] {
				t.Errorf("%+v: the top is %v, want %d", part, h.Top, all[len(all)-1])
			}
			if len(got) != len(want) {
				t.Errorf("%+v: %d publications, want %d", part, len(got), len(want))
				continue
			}
			for k, p := range got {
				i := want[k]
				if part.Newest {
					i = want[len(want)-1-k]
				}
				prev := uint64(0)
				if i > 0 {
					prev = all[i-1]
				}
				if p.Offset != all[i] || string(p.Data) != fmt.Sprint(i) || p.Prev != prev {
					t.Errorf("%+v: publication %d is %d %q after %d, want %d %d after %d", part, k, p.Offset, p.Data, p.Prev, all[i], i, prev)
					break
				}
			}
		}
	}
}

// TestLostOnTheWay checks that what the server has sent in vain is read from the log, before anything
// later is delivered; and that the last one is found without a later one.
func TestLostOnTheWay(t *testing.T) {
	s := startServer(t)
	a, b := open(t, s, Config{Keep: always}), open(t, s, Config{Keep: always, sweep: 50 * time.Millisecond})
	r := subscribe(t, b, "r")
	want := 0
	say := func(n int) {
		for range n {
			if got := publish(t, a, "r", text(fmt.Sprint(want))); got.err != nil {
				t.Fatal(got.err)
			}
			want++
		}
	}
	check := func() {
		t.Helper()
		r.wait(t, "all publications", func() bool { return len(r.got) == want })
		checkChain(t, r.got)
		for i, p := range r.got {
			if string(p.Data) != fmt.Sprint(i) {
				t.Fatalf("publication %d is %s", i, p.Data)
			}
		}
	}
	say(3)
	check()
	hear := deaf(t, b, "r")
	say(5)
	hear()
	say(1) // names a predecessor that is unknown here
	check()
	hear = deaf(t, b, "r")
	say(2)
	hear()
	b.topic("r").check()
	check()
	hear = deaf(t, b, "r")
	say(2)
	hear()
	check() // the sweep finds them, without anything that would tell of them
	// A node that sweeps less often misses too many.
	seldom := open(t, s, Config{Keep: always, sweep: time.Hour})
	late := subscribe(t, seldom, "r")
	hear = deaf(t, seldom, "r")
	say(maxCatchUp + 1)
	hear()
	seldom.topic("r").check()
	late.wait(t, "another Begin", func() bool { return len(late.begins) == 2 })
	if at := late.begins[1]; at.Epoch != late.begins[0].Epoch || at.Offset != history(t, a, "r", engine.Span{}).Top.Offset {
		t.Errorf("it goes on at %v", at)
	}
}

// TestAway checks that nothing hangs while the server is away, and that all goes on afterwards.
func TestAway(t *testing.T) {
	s := startServer(t)
	e := open(t, s, Config{Keep: always})
	r := subscribe(t, e, "r")
	first := publish(t, e, "r", text("0"))
	r.wait(t, "the first", func() bool { return len(r.got) == 1 })
	s.stop()
	wstest.Eventually(t, "the client library has noticed", func() bool { return e.unavailable() != nil })
	if got := publish(t, e, "r", text("lost")); !errors.Is(got.err, engine.ErrUnavailable) {
		t.Errorf("published while the server is away: %v", got.err)
	}
	if h := history(t, e, "r", engine.Span{Behind: first.pos.Offset - 1, Limit: -1}); len(h.Publications) != 1 {
		t.Errorf("recent publications: %v", h.Publications)
	}
	late := newRecorder()
	e.Subscribe("other", budget.Owner{}, late)
	answer := make(chan error, 1)
	for _, room := range []string{"unknown", "other"} {
		for _, limit := range []int{-1, 0} {
			e.History(room, engine.Span{Limit: limit}, func(_ engine.History, err error) { answer <- err })
			if err := receive(t, answer); !errors.Is(err, engine.ErrUnavailable) {
				t.Errorf("read room %s while the server is away: %v", room, err)
			}
		}
	}
	if ok, why := e.Health(); ok || why == "" {
		t.Errorf("healthy, %q", why)
	}
	s.start()
	late.wait(t, "Begin after the server is back", func() bool { return len(late.begins) == 1 })
	wstest.Eventually(t, "the store takes messages again", func() bool { return publish(t, e, "r", text("1")).err == nil })
	r.wait(t, "the second", func() bool { return len(r.got) == 2 })
	if len(r.begins) != 1 || r.got[1].Prev != first.pos.Offset {
		t.Errorf("begins %v, got %+v", r.begins, r.got)
	}
}

// TestNewStore checks that another store has another epoch.
func TestNewStore(t *testing.T) {
	s := startServer(t)
	e := open(t, s, Config{Keep: always})
	r := subscribe(t, e, "r")
	publish(t, e, "r", text("0"))
	s.stop()
	s.dir = t.TempDir()
	s.start()
	r.wait(t, "a new epoch", func() bool { return len(r.begins) == 2 })
	if r.begins[0].Epoch == r.begins[1].Epoch || r.begins[1].Offset != 0 {
		t.Errorf("begins %v", r.begins)
	}
}

// TestKeys checks that a message with a key is stored once, whichever node gets it again, before and
// after a restart.
func TestKeys(t *testing.T) {
	s := startServer(t)
	a, b := open(t, s, Config{Keep: always}), open(t, s, Config{Keep: always})
	r := subscribe(t, b, "r")
	m, other := text("x"), text("y")
	m.Key, other.Key = "k", "k"
	known := func(e *Engine, m engine.Message) outcome {
		c := make(chan outcome, 1)
		e.Known("r", m, func(p engine.Position, err error) { c <- outcome{p, err} })
		return receive(t, c)
	}
	if got := known(a, m); got.err != nil {
		t.Errorf("before: %v", got.err)
	}
	first := publish(t, a, "r", m)
	for range 2 {
		for name, e := range map[string]*Engine{"the same node": a, "another node": b} {
			for _, ask := range []func(*Engine, engine.Message) outcome{known, func(e *Engine, m engine.Message) outcome { return publish(t, e, "r", m) }} {
				if got := ask(e, m); got.err != engine.ErrRepeated || got.pos != first.pos {
					t.Errorf("%s: again: %+v, first %+v", name, got, first)
				}
				if got := ask(e, other); got.err != engine.ErrKeyReused {
					t.Errorf("%s: another message: %+v", name, got)
				}
			}
			if got := publish(t, e, "elsewhere "+name, other); got.err != nil && got.err != engine.ErrRepeated {
				t.Errorf("%s: another room: %+v", name, got)
			}
		}
		s.stop()
		s.start()
		a, b = open(t, s, Config{Keep: always}), open(t, s, Config{Keep: always})
	}
	r.wait(t, "the publication", func() bool { return len(r.got) > 0 })
	if h := history(t, a, "r", engine.Span{Limit: -1}); len(h.Publications) != 1 {
		t.Errorf("the log has %d publications", len(h.Publications))
	}
}

// TestCommit checks that nobody learns of a publication before it is on the disk.
func TestCommit(t *testing.T) {
	s := startServer(t)
	waiting := make(chan func(error), 100)
	e := open(t, s, Config{Keep: always, Commit: func(_ string, done func(error)) { waiting <- done }})
	r := subscribe(t, e, "r")
	answer := make(chan error, 1)
	e.Publish("r", text("x"), func(_ engine.Position, err error) { answer <- err })
	one, two := receive(t, waiting), receive(t, waiting) // the publisher's, and the members'
	select {
	case err := <-answer:
		t.Errorf("acknowledged before the commit: %v", err)
	default:
	}
	if r.mu.Lock(); len(r.got) > 0 {
		t.Error("delivered before the commit")
	}
	r.mu.Unlock()
	one(nil)
	two(nil)
	if err := receive(t, answer); err != nil {
		t.Error(err)
	}
	r.wait(t, "the publication", func() bool { return len(r.got) == 1 })

	e.Publish("r", text("y"), func(_ engine.Position, err error) { answer <- err })
	bad := errors.New("the disk is ill")
	for err := error(nil); err == nil; {
		select {
		case done := <-waiting:
			done(bad)
		case err = <-answer:
			if !errors.Is(err, engine.ErrUnknown) {
				t.Errorf("after a failed commit: %v", err)
			}
		}
	}
	if r.mu.Lock(); len(r.got) > 1 {
		t.Error("delivered after a failed commit")
	}
	r.mu.Unlock()
	ended := make(chan struct{})
	defer close(ended)
	go func() {
		for {
			select {
			case done := <-waiting:
				done(nil) // the topic reads it from the log, and commits again
			case <-ended:
				return
			}
		}
	}()
	r.wait(t, "the second publication", func() bool { return len(r.got) == 2 })
}

// TestRecentsAreBounded checks that the memory for recent publications has a limit, and that what was
// forgotten is read from the log.
func TestRecentsAreBounded(t *testing.T) {
	s := startServer(t)
	const most = 100_000
	e := open(t, s, Config{Keep: always, MaxRecent: most})
	rooms := 50
	for i := range rooms {
		subscribe(t, e, fmt.Sprint(i))
	}
	data := strings.Repeat("x", 1000)
	for n := range 10 {
		for i := range rooms {
			if got := publish(t, e, fmt.Sprint(i), text(data)); got.err != nil {
				t.Fatal(n, got.err)
			}
		}
	}
	for i := range rooms {
		if h := history(t, e, fmt.Sprint(i), engine.Span{Limit: -1}); len(h.Publications) != 10 {
			t.Errorf("room %d has %d publications", i, len(h.Publications))
		}
	}
	wstest.Eventually(t, "a job has forgotten those above the limit", func() bool { return e.recent.Used() <= most+most/8 })
	e.Resize(most / 4)
	wstest.Eventually(t, "a job has forgotten those above the lower limit", func() bool { return e.recent.Used() <= most/4 })
	for i := range rooms {
		e.topic(fmt.Sprint(i)).forgetRecent()
	}
	if used := e.recent.Used(); used != 0 {
		t.Errorf("%d bytes are counted when nothing is left", used)
	}
}

// TestArrivalBeforeBegin checks that a publication is not lost that the server sends between its answer about
// the end of the log and the topic's beginning.
func TestArrivalBeforeBegin(t *testing.T) {
	s := startServer(t)
	e := open(t, s, Config{Keep: always})
	first := publish(t, e, "r", text("1")).pos.Offset
	c := e.class("r")
	r := newRecorder()
	o := e.newTopic(c, "r", r)
	epoch, _ := e.epochOf(c, "r")
	o.arrived(first, 0, nil)
	o.mu.Lock()
	o.beginLocked(epoch, codec.Tip{}, 0)
	o.mu.Unlock()
	r.wait(t, "the publication", func() bool { return len(r.got) == 1 && r.got[0].Offset == first })
	// The same when it begins again, because it has missed too many.
	second := publish(t, e, "r", text("2")).pos.Offset
	was := o.known()
	o.mu.Lock()
	o.catching = true
	o.mu.Unlock()
	o.arrived(second, first, nil)
	o.mu.Lock()
	o.beginLocked(epoch, codec.Tip{Offset: first}, was)
	o.mu.Unlock()
	r.wait(t, "the publication after the second beginning", func() bool { return len(r.got) == 2 && r.got[1].Offset == second })
	// A publication that the log has no longer is not waited for.
	o.mu.Lock()
	o.upTo = second + 1
	o.beginLocked(epoch, codec.Tip{Offset: second}, o.upTo)
	catching := o.catching
	o.mu.Unlock()
	if catching {
		t.Error("the topic waits for what was removed from the log")
	}
}

// TestPagesAfterABurst walks back through rooms whose publishers had many messages on the way, so that Back
// names a publication that is far away.
func TestPagesAfterABurst(t *testing.T) {
	s := startServer(t)
	e := open(t, s, Config{Keep: always})
	subscribe(t, e, "busy")
	const n = 3000
	type at struct {
		room string
		i    int
		outcome
	}
	all := make(chan at, n)
	for i := range n {
		room := "busy"
		if i%10 == 9 {
			room = "quiet"
		}
		e.Publish(room, text(fmt.Sprint(i)), func(p engine.Position, err error) { all <- at{room, i, outcome{p, err}} })
	}
	want := map[string][]engine.Publication{}
	for range n {
		one := receive(t, all)
		if one.err != nil {
			t.Fatal(one.err)
		}
		want[one.room] = append(want[one.room], engine.Publication{Message: text(fmt.Sprint(one.i)), Offset: one.pos.Offset})
	}
	fresh := open(t, s, Config{Keep: always})
	for room, want := range want {
		for before := uint64(0); ; {
			h := history(t, fresh, room, engine.Span{Newest: true, Before: before, Limit: 50})
			if len(h.Publications) == 0 {
				break
			}
			for _, p := range h.Publications {
				last := want[len(want)-1]
				if p.Offset != last.Offset || string(p.Data) != string(last.Data) {
					t.Fatalf("room %s: %d %s, want %d %s", room, p.Offset, p.Data, last.Offset, last.Data)
				}
				want = want[:len(want)-1]
				before = p.Offset
			}
		}
		if len(want) > 0 {
			t.Errorf("room %s: %d publications are missing", room, len(want))
		}
	}
}
