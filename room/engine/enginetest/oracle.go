package enginetest

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"pgregory.net/rapid"

	"webim/netpoll/wstest"
	"webim/room/engine"
)

// roomOracle is the log of a room in the plainest way: it keeps everything, and searches it for each
// answer.
type roomOracle struct {
	all    []engine.Publication
	epoch  string
	used   time.Time
	subs   map[*Recorder]subscribed
	writer int // the node that has published last
}

// subscribed is where a Recorder is subscribed.
type subscribed struct {
	node  int
	begin uint64 // the offset behind which it gets everything
}

// top returns the last offset.
func (o *roomOracle) top() uint64 {
	if len(o.all) == 0 {
		return 0
	}
	return o.all[len(o.all)-1].Offset
}

// kept returns the longest tail of the publications that is within all limits at that time. A message
// that is too large ends it, because a history has no holes.
func (o *roomOracle) kept(l Limits, now time.Time) []engine.Publication {
	from, size := len(o.all), 0
	for from > 0 {
		p := o.all[from-1]
		size += len(p.Data)
		if len(o.all)-from+1 > l.Messages || size > l.Bytes || now.Sub(p.Time) > l.Age {
			break
		}
		from--
	}
	return o.all[from:]
}

func (o *roomOracle) history(l Limits, part engine.Span, now time.Time) (h engine.History) {
	h.Top = engine.Position{Epoch: o.epoch, Offset: o.top()}
	for _, p := range o.kept(l, now) {
		if p.Offset > part.Behind && (part.Before == 0 || p.Offset < part.Before) {
			h.Publications = append(h.Publications, p)
		}
	}
	if part.Newest {
		slices.Reverse(h.Publications)
	}
	if part.Limit >= 0 {
		h.Publications = h.Publications[:min(part.Limit, len(h.Publications))]
	}
	return h
}

// offset draws a bound of a span: an offset of the room, or a neighbour of one, or 0.
func (o *roomOracle) offset(t *rapid.T, name string) uint64 {
	known := []uint64{0, 1}
	if o != nil {
		for _, p := range o.all {
			known = append(known, p.Offset-1, p.Offset, p.Offset+1)
		}
	}
	return rapid.SampledFrom(known).Draw(t, name)
}

// logOracle is an engine with three rooms, and the oracle of each.
type logOracle struct {
	*cluster
	l      Limits
	keep   *engine.Retention // the limits, if the callers name them; nil: they are the engine's default
	rooms  map[string]*roomOracle
	epochs map[[2]string]bool // room and epoch
}

// slowChecks is how many random cases of an engine that is slow are checked. Each has a server of its own.
const slowChecks = 15

// testLogOracle compares the engine with the oracle: any order of publishing, reading, subscribing,
// unsubscribing, waiting and expiring, in three rooms, on any nodes.
func testLogOracle(t *testing.T, with Implementation) {
	times := 10 // of a hundred
	switch {
	case with.Slow:
		times = 1
		Checks(t, slowChecks)
	case wstest.Long():
		times = 500
	}
	for range times {
		rapid.Check(t, func(t *rapid.T) { checkLog(t, with) })
	}
}

func checkLog(t *rapid.T, with Implementation) {
	l := Limits{
		Messages: rapid.SampledFrom([]int{-1, 1, 2, 5, 100}).Draw(t, "messages"),
		Bytes:    rapid.SampledFrom([]int{1, 10, 50, 1 << 20}).Draw(t, "bytes"),
		Age:      time.Minute,
		Total:    1 << 30,
	}
	o := &logOracle{l: l, rooms: map[string]*roomOracle{}, epochs: map[[2]string]bool{}}
	if rapid.Bool().Draw(t, "named limits") {
		o.keep = &engine.Retention{Messages: max(0, l.Messages), Bytes: l.Bytes, Age: l.Age}
		l = Limits{Total: l.Total, Age: l.Age} // rooms without a message last as long
	}
	o.cluster = with.start(t, l)
	actions := map[string]func(*rapid.T){
		"publish": o.publish, "history": o.read, "subscribe": o.subscribe, "unsubscribe": o.unsubscribe,
		"wait": func(t *rapid.T) {
			o.clock.Advance(time.Duration(rapid.IntRange(1, 40).Draw(t, "seconds")) * time.Second)
		},
		"expire": func(*rapid.T) {
			o.expire()
			if with.Forgets {
				o.forgetRooms()
			}
		},
		"": func(t *rapid.T) {
			if with.CheckRooms != nil {
				with.CheckRooms(t, o.node(0), len(o.rooms))
			}
		},
	}
	t.Repeat(actions)
}

func someRoom(t *rapid.T) string { return rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "room") }

// use notes that a room was used, as publishing and subscribing do.
func (o *logOracle) use(name string) *roomOracle {
	r := o.rooms[name]
	if r == nil {
		r = &roomOracle{subs: map[*Recorder]subscribed{}}
		o.rooms[name] = r
	}
	r.used = o.clock.Now()
	return r
}

// learnEpoch notes the epoch of a room, which the engine has told for the first time.
func (o *logOracle) learnEpoch(t *rapid.T, name string, r *roomOracle, epoch string) {
	if r.epoch = epoch; o.epochs[[2]string{name, epoch}] {
		t.Fatalf("epoch %s of room %s comes back", epoch, name)
	}
	o.epochs[[2]string{name, epoch}] = true
}

func (o *logOracle) publish(t *rapid.T) {
	name := someRoom(t)
	data := bytes.Repeat([]byte{byte(rapid.IntRange('a', 'z').Draw(t, "byte"))}, rapid.IntRange(0, 12).Draw(t, "size"))
	r := o.use(name)
	r.writer = o.someNode(t)
	pos, err := publish(t, o.node(r.writer), name, engine.Message{Op: ws.OpBinary, Data: bytes.Clone(data), Keep: o.keep})
	if err != nil {
		t.Fatalf("Publish: %v", err)
	}
	if r.epoch == "" {
		o.learnEpoch(t, name, r, pos.Epoch)
	}
	if pos.Epoch != r.epoch || pos.Offset <= r.top() {
		t.Fatalf("published at %v, after offset %d of epoch %s", pos, r.top(), r.epoch)
	}
	r.all = append(r.all, engine.Publication{Message: engine.Message{Op: ws.OpBinary, Data: data}, Offset: pos.Offset, Prev: r.top(), Time: o.clock.Now()})
}

// read reads a history. The node that has published last has all of it; another node may learn of it
// a moment later.
func (o *logOracle) read(t *rapid.T) {
	name := someRoom(t)
	r, node := o.rooms[name], o.someNode(t)
	part := engine.Span{Behind: r.offset(t, "behind"), Before: r.offset(t, "before"),
		Limit: rapid.IntRange(-1, 5).Draw(t, "limit"), Newest: rapid.Bool().Draw(t, "newest"), Keep: o.keep}
	check := func() error {
		got, want := History(t, o.node(node), name, part), engine.History{}
		if r == nil {
			got.Top.Epoch = "" // of a room without publications, the engine may tell any epoch
		} else {
			if r.epoch == "" {
				o.learnEpoch(t, name, r, got.Top.Epoch) // before the first message
			}
			want = r.history(o.l, part, o.clock.Now())
		}
		if got.Top != want.Top || !slices.EqualFunc(got.Publications, want.Publications, Same) {
			return fmt.Errorf("history of %s, %+v:\n%v\nwant\n%v", name, part, got, want)
		}
		return nil
	}
	if r == nil || r.writer == node {
		if err := check(); err != nil {
			t.Fatal(err)
		}
		return
	}
	eventually(t, check)
}

func (o *logOracle) subscribe(t *rapid.T) {
	name, s, node := someRoom(t), new(Recorder), o.someNode(t)
	r := o.use(name)
	o.node(node).Subscribe(name, NoPayer, s)
	begin := s.begin(t)
	if begin.Offset > r.top() || r.epoch != "" && begin.Epoch != r.epoch {
		t.Fatalf("the subscriber of %s begins at %v, behind %d of epoch %q", name, begin, r.top(), r.epoch)
	}
	r.subs[s] = subscribed{node, begin.Offset}
}

func (o *logOracle) unsubscribe(t *rapid.T) {
	name := someRoom(t)
	r := o.rooms[name]
	if r == nil || len(r.subs) == 0 {
		o.node(o.someNode(t)).Unsubscribe(name, new(Recorder)) // an unknown subscriber
		if r != nil && r.epoch != "" {
			r.used = o.clock.Now()
		}
		return
	}
	for s, at := range r.subs {
		o.checkDelivered(t, r, s, at.begin)
		o.node(at.node).Unsubscribe(name, s)
		delete(r.subs, s)
		break
	}
	if len(r.subs) > 0 {
		return
	}
	if r.used = o.clock.Now(); r.epoch == "" {
		delete(o.rooms, name)
	}
}

// checkDelivered waits until a subscriber has got everything behind its beginning.
func (o *logOracle) checkDelivered(t *rapid.T, r *roomOracle, s *Recorder, begin uint64) {
	eventually(t, func() error {
		got := s.Got()
		owed := slices.DeleteFunc(slices.Clone(r.all), func(p engine.Publication) bool { return p.Offset <= begin })
		if !slices.EqualFunc(got, owed, Same) || len(s.Begins()) != 1 {
			return fmt.Errorf("delivered %v from %v, want %v", got, s.Begins(), owed)
		}
		return nil
	})
}

// forgetRooms forgets the rooms without members that were not used for their age.
func (o *logOracle) forgetRooms() {
	for name, r := range o.rooms {
		if len(r.subs) == 0 && o.clock.Now().Sub(r.used) > o.l.Age {
			delete(o.rooms, name)
		}
	}
}
