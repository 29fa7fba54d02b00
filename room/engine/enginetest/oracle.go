package enginetest

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"pgregory.net/rapid"

	"webim/room/engine"
)

// roomOracle is the log of a room in the plainest way: it keeps everything, and searches it for each
// answer.
type roomOracle struct {
	all   []engine.Publication
	epoch string
	used  time.Time
	subs  map[*Recorder][]engine.Publication // the publications that each must get
}

// top returns the last offset.
func (o *roomOracle) top() uint64 {
	if len(o.all) == 0 {
		return 0
	}
	return o.all[len(o.all)-1].Offset
}

// kept returns the longest tail of the publications that is within all limits. A message that is too
// large ends it, because a history has no holes.
func (o *roomOracle) kept(l Limits) []engine.Publication {
	from, size := len(o.all), 0
	for from > 0 {
		p := o.all[from-1]
		size += len(p.Data)
		if len(o.all)-from+1 > l.Messages || size > l.Bytes || l.Clock.Now().Sub(p.Time) > l.Age {
			break
		}
		from--
	}
	return o.all[from:]
}

func (o *roomOracle) history(l Limits, part engine.Span) (h engine.History) {
	h.Top = engine.Position{Epoch: o.epoch, Offset: o.top()}
	for _, p := range o.kept(l) {
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

// logOracle is an engine with three rooms, and the oracle of each.
type logOracle struct {
	l      Limits
	e      engine.Engine
	rooms  map[string]*roomOracle
	epochs map[[2]string]bool // room and epoch
}

// testLogOracle compares the engine with the oracle: any order of publishing, reading, subscribing,
// unsubscribing, waiting and expiring, in three rooms.
func testLogOracle(t *testing.T, with Implementation) {
	times := 10 // of a hundred
	if Long() {
		times = 500
	}
	for range times {
		rapid.Check(t, func(t *rapid.T) {
			l := Limits{
				Messages: rapid.SampledFrom([]int{-1, 1, 2, 5, 100}).Draw(t, "messages"),
				Bytes:    rapid.SampledFrom([]int{1, 10, 50, 1 << 20}).Draw(t, "bytes"),
				Age:      time.Minute,
				Total:    1 << 30,
				Clock:    new(Clock),
			}
			o := &logOracle{l: l, e: with.New(l), rooms: map[string]*roomOracle{}, epochs: map[[2]string]bool{}}
			t.Repeat(map[string]func(*rapid.T){
				"publish": o.publish, "history": o.read, "subscribe": o.subscribe, "unsubscribe": o.unsubscribe, "expire": o.expire,
				"wait": func(t *rapid.T) {
					l.Clock.Advance(time.Duration(rapid.IntRange(1, 40).Draw(t, "seconds")) * time.Second)
				},
				"": func(t *rapid.T) {
					if with.CheckRooms != nil {
						with.CheckRooms(t, o.e, len(o.rooms))
					}
				},
			})
		})
	}
}

func someRoom(t *rapid.T) string { return rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "room") }

// use notes that a room was used, as publishing and subscribing do.
func (o *logOracle) use(name string) *roomOracle {
	r := o.rooms[name]
	if r == nil {
		r = &roomOracle{subs: map[*Recorder][]engine.Publication{}}
		o.rooms[name] = r
	}
	r.used = o.l.Clock.Now()
	return r
}

func (o *logOracle) publish(t *rapid.T) {
	name := someRoom(t)
	data := bytes.Repeat([]byte{byte(rapid.IntRange('a', 'z').Draw(t, "byte"))}, rapid.IntRange(0, 12).Draw(t, "size"))
	r := o.use(name)
	pos := Publish(t, o.e, name, data)
	if r.epoch == "" {
		if r.epoch = pos.Epoch; o.epochs[[2]string{name, pos.Epoch}] {
			t.Fatalf("epoch %s of room %s comes back", pos.Epoch, name)
		}
		o.epochs[[2]string{name, pos.Epoch}] = true
	}
	if pos.Epoch != r.epoch || pos.Offset <= r.top() {
		t.Fatalf("published at %v, after offset %d of epoch %s", pos, r.top(), r.epoch)
	}
	p := engine.Publication{Message: engine.Message{Op: ws.OpBinary, Data: data}, Offset: pos.Offset, Prev: r.top(), Time: o.l.Clock.Now()}
	r.all = append(r.all, p)
	for s := range r.subs {
		r.subs[s] = append(r.subs[s], p)
	}
}

func (o *logOracle) read(t *rapid.T) {
	offset := rapid.Uint64Range(0, 12)
	name, part := someRoom(t), engine.Span{Behind: offset.Draw(t, "behind"), Before: offset.Draw(t, "before"),
		Limit: rapid.IntRange(-1, 5).Draw(t, "limit"), Newest: rapid.Bool().Draw(t, "newest")}
	got, want := History(t, o.e, name, part), engine.History{}
	if r := o.rooms[name]; r != nil {
		if want = r.history(o.l, part); r.epoch == "" {
			r.epoch = got.Top.Epoch // History tells it before the first message
			o.epochs[[2]string{name, r.epoch}] = true
			want.Top.Epoch = r.epoch
		}
	}
	if got.Top != want.Top || !slices.EqualFunc(got.Publications, want.Publications, Same) {
		t.Fatalf("history of %s, %+v:\n%v\nwant\n%v", name, part, got, want)
	}
}

func (o *logOracle) subscribe(t *rapid.T) {
	name, s := someRoom(t), new(Recorder)
	o.use(name).subs[s] = nil
	o.e.Subscribe(name, NoPayer, s)
}

func (o *logOracle) unsubscribe(t *rapid.T) {
	name := someRoom(t)
	r := o.rooms[name]
	if r == nil || len(r.subs) == 0 {
		o.e.Unsubscribe(name, new(Recorder)) // an unknown subscriber
		if r != nil && r.epoch != "" {
			r.used = o.l.Clock.Now()
		}
		return
	}
	for s, owed := range r.subs {
		o.e.Unsubscribe(name, s)
		if !slices.EqualFunc(s.Got, owed, Same) {
			t.Fatalf("delivered %v, want %v", s.Got, owed)
		}
		delete(r.subs, s)
		break
	}
	if len(r.subs) > 0 {
		return
	}
	if r.used = o.l.Clock.Now(); r.epoch == "" {
		delete(o.rooms, name)
	}
}

func (o *logOracle) expire(*rapid.T) {
	expire(o.e)
	for name, r := range o.rooms {
		if len(r.subs) == 0 && o.l.Clock.Now().Sub(r.used) > o.l.Age {
			delete(o.rooms, name)
		}
	}
}
