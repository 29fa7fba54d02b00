package memory

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"pgregory.net/rapid"

	"webim/room/engine"
	"webim/room/engine/enginetest"
)

// oracle says what an engine must do with one room, in the plainest way: it
// remembers everything, and looks through it at each question.
type oracle struct {
	all   []engine.Publication
	epoch string
	used  time.Time
	subs  map[*enginetest.Recorder][]engine.Publication // what each is owed
}

// remembered is the longest end of all publications that keeps every bound. A
// message too large for it ends it: a history has no holes.
func (o *oracle) remembered(l Limits, now time.Time) []engine.Publication {
	from, size := len(o.all), 0
	for from > 0 {
		p := o.all[from-1]
		size += len(p.Data)
		if len(o.all)-from+1 > l.MaxMessages || size > l.MaxBytes || now.Sub(p.Time) > l.MaxAge {
			break
		}
		from--
	}
	return o.all[from:]
}

func (o *oracle) history(l Limits, now time.Time, part engine.Span) (h engine.History) {
	h.Top = engine.Position{Epoch: o.epoch, Offset: uint64(len(o.all))}
	for _, p := range o.remembered(l, now) {
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

// The engine against the oracle: any order of publishing, reading,
// subscribing, leaving, waiting and expiring, in three rooms.
func TestMemoryOracle(t *testing.T) {
	times := 10 // of a hundred
	if enginetest.Long() {
		times = 500
	}
	for range times {
		rapid.Check(t, checkMemory)
	}
}

func checkMemory(t *rapid.T) {
	l := Limits{
		MaxMessages: rapid.SampledFrom([]int{-1, 1, 2, 5, 100}).Draw(t, "messages"),
		MaxBytes:    rapid.SampledFrom([]int{1, 10, 50, 1 << 20}).Draw(t, "bytes"),
		MaxAge:      time.Minute,
		MaxTotal:    1 << 30,
	}
	m, clock := newTestMemory(l)
	type roomsEpoch struct{ room, epoch string }
	rooms, epochs := map[string]*oracle{}, map[roomsEpoch]bool{}
	room := func(t *rapid.T) string { return rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "room") }
	// use is what publishing and subscribing do to a room.
	use := func(name string) *oracle {
		o := rooms[name]
		if o == nil {
			o = &oracle{subs: map[*enginetest.Recorder][]engine.Publication{}}
			rooms[name] = o
		}
		o.used = clock.Now()
		return o
	}
	t.Repeat(map[string]func(*rapid.T){
		"publish": func(t *rapid.T) {
			name := room(t)
			data := bytes.Repeat([]byte{byte(rapid.IntRange('a', 'z').Draw(t, "byte"))}, rapid.IntRange(0, 12).Draw(t, "size"))
			o := use(name)
			p := engine.Publication{Message: engine.Message{Op: ws.OpBinary, Data: data}, Offset: uint64(len(o.all) + 1), Prev: uint64(len(o.all)), Time: clock.Now()}
			pos := enginetest.Publish(t, m, name, data)
			if o.epoch == "" {
				if o.epoch = pos.Epoch; epochs[roomsEpoch{name, pos.Epoch}] {
					t.Fatalf("epoch %s of room %s comes back", pos.Epoch, name)
				}
				epochs[roomsEpoch{name, pos.Epoch}] = true
			}
			if pos != (engine.Position{Epoch: o.epoch, Offset: p.Offset}) {
				t.Fatalf("published at %v, want %v", pos, engine.Position{Epoch: o.epoch, Offset: p.Offset})
			}
			o.all = append(o.all, p)
			for s := range o.subs {
				o.subs[s] = append(o.subs[s], p)
			}
		},
		"history": func(t *rapid.T) {
			offset := rapid.Uint64Range(0, 12)
			name, part := room(t), engine.Span{Behind: offset.Draw(t, "behind"), Before: offset.Draw(t, "before"),
				Limit: rapid.IntRange(-1, 5).Draw(t, "limit"), Newest: rapid.Bool().Draw(t, "newest")}
			got, want := enginetest.History(t, m, name, part), engine.History{}
			if o := rooms[name]; o != nil {
				if want = o.history(l, clock.Now(), part); o.epoch == "" {
					o.epoch = got.Top.Epoch // told by History before the first message
					epochs[roomsEpoch{name, o.epoch}] = true
					want.Top.Epoch = o.epoch
				}
			}
			if got.Top != want.Top || !slices.EqualFunc(got.Publications, want.Publications, enginetest.Same) {
				t.Fatalf("history of %s, %+v:\n%v\nwant\n%v", name, part, got, want)
			}
		},
		"subscribe": func(t *rapid.T) {
			name, s := room(t), new(enginetest.Recorder)
			use(name).subs[s] = nil
			m.Subscribe(name, enginetest.NoPayer, s)
		},
		"unsubscribe": func(t *rapid.T) {
			name := room(t)
			o := rooms[name]
			if o == nil || len(o.subs) == 0 {
				m.Unsubscribe(name, new(enginetest.Recorder)) // of somebody unknown
				if o != nil && o.epoch != "" {
					o.used = clock.Now()
				}
				return
			}
			for s, owed := range o.subs {
				m.Unsubscribe(name, s)
				if !slices.EqualFunc(s.Got, owed, enginetest.Same) {
					t.Fatalf("delivered %v, want %v", s.Got, owed)
				}
				delete(o.subs, s)
				break
			}
			if len(o.subs) > 0 {
				return
			}
			if o.used = clock.Now(); o.epoch == "" {
				delete(rooms, name)
			}
		},
		"wait": func(t *rapid.T) {
			clock.Advance(time.Duration(rapid.IntRange(1, 40).Draw(t, "seconds")) * time.Second)
		},
		"expire": func(t *rapid.T) {
			m.Expire()
			for name, o := range rooms {
				if len(o.subs) == 0 && clock.Now().Sub(o.used) > l.MaxAge {
					delete(rooms, name)
				}
			}
		},
		"": func(t *rapid.T) {
			st := m.Stats()
			if st.Topics != len(rooms) {
				t.Fatalf("%d topics, want %d", st.Topics, len(rooms))
			}
			if st.Topics == 0 && st.Bytes != 0 {
				t.Fatalf("%d bytes of nothing", st.Bytes)
			}
		},
	})
}
