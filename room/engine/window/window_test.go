package window

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"pgregory.net/rapid"

	"webim/netpoll/wstest"
	"webim/room/engine"
	"webim/room/engine/enginetest"
)

// plainWindow is the oracle of a window: it keeps the same publications in a slice.
type plainWindow struct {
	entries []engine.Publication
	gone    map[uint64]bool // offsets of entries that are only places
	floor   uint64
	top     uint64
}

func isEvent(p *engine.Publication) bool { return p.CompactKey != "" || p.Skip }

func (r *plainWindow) kept(event bool) (n, bytes int) {
	for i := range r.entries {
		if p := &r.entries[i]; !r.gone[p.Offset] && isEvent(p) == event {
			n, bytes = n+1, bytes+engine.Cost(p)-engine.PartCost
		}
	}
	return n, bytes
}

func (r *plainWindow) within(event bool, messages, bytes int) bool {
	n, b := r.kept(event)
	return n <= messages && b <= bytes
}

func (r *plainWindow) cost() (n int64) {
	for i := range r.entries {
		if r.gone[r.entries[i].Offset] {
			n += engine.PartCost
		} else {
			n += int64(engine.Cost(&r.entries[i]))
		}
	}
	return n
}

func (r *plainWindow) remember(p engine.Publication) {
	if p.Prev != r.top {
		r.forget(len(r.entries))
		r.floor = p.Prev
	}
	r.top = p.Offset
	p.Data = slices.Clone(p.Data)
	if p.Skip {
		p.Message = engine.Message{Skip: true}
	}
	r.entries = append(r.entries, p)
	for i := range r.entries[:len(r.entries)-1] {
		if p.CompactKey != "" && r.entries[i].CompactKey == p.CompactKey && !r.gone[r.entries[i].Offset] {
			r.passOver(i)
		}
	}
}

func (r *plainWindow) forget(n int) {
	for _, p := range r.entries[:n] {
		delete(r.gone, p.Offset)
		r.floor = p.Offset
	}
	r.entries = r.entries[n:]
}

func (r *plainWindow) passOver(i int) {
	offset, prev := r.entries[i].Offset, r.entries[i].Prev
	r.gone[offset] = true
	for i++; i < len(r.entries) && r.gone[r.entries[i].Offset]; i++ {
	}
	if i < len(r.entries) && r.entries[i].Prev == offset {
		r.entries[i].Prev = prev
	}
}

func (r *plainWindow) trim(keep engine.Retention, now time.Time) {
	for len(r.entries) > 0 && (!r.within(false, keep.Messages, keep.Bytes) || r.entries[0].Time.Before(now.Add(-keep.Age))) {
		r.forget(1)
	}
	if !r.within(true, keep.Messages, keep.Bytes) {
		for i := 0; i < len(r.entries) && !r.within(true, keep.Messages*3/4, keep.Bytes*3/4); i++ {
			switch p := &r.entries[i]; {
			case r.gone[p.Offset]:
			case p.Skip:
				r.passOver(i)
			case p.CompactKey != "":
				r.gone[p.Offset] = true
			}
		}
	}
	if len(r.gone) > 16 && len(r.gone) > len(r.entries)/2 {
		r.entries = slices.DeleteFunc(slices.Clone(r.entries), func(p engine.Publication) bool { return r.gone[p.Offset] })
		clear(r.gone)
	}
}

func (r *plainWindow) redact(offset uint64) {
	for i := range r.entries {
		if p := &r.entries[i]; p.Offset == offset && !p.Skip && !r.gone[offset] {
			*p = p.Redact()
		}
	}
}

// read defines the meaning of a Span.
func (r *plainWindow) read(q engine.Span) (part []engine.Publication) {
	place := func(offset uint64) int { // of that, or of the next
		at, _ := slices.BinarySearchFunc(r.entries, offset, func(p engine.Publication, o uint64) int { return cmp.Compare(p.Offset, o) })
		return at
	}
	all := r.entries
	if q.Before != 0 {
		all = all[:place(q.Before)]
	}
	if q.Behind == math.MaxUint64 {
		return nil
	}
	all = all[min(place(q.Behind+1), len(all)):]
	order := slices.All(all)
	if q.Newest {
		order = slices.Backward(all)
	}
	bytes := 0
	for _, p := range order {
		if q.Limit >= 0 && len(part) >= q.Limit {
			break
		}
		if r.gone[p.Offset] || !q.Places && p.Skip {
			continue
		}
		if bytes += engine.Cost(&p); q.Bytes > 0 && bytes > q.Bytes && len(part) > 0 {
			break
		}
		part = append(part, p)
	}
	return part
}

// sameWhole compares all fields of two publications.
func sameWhole(a, b engine.Publication) bool {
	if (a.From == nil) != (b.From == nil) {
		return false
	}
	if a.From != nil && (a.From.User != b.From.User || a.From.Client != b.From.Client ||
		string(a.From.ConnInfo) != string(b.From.ConnInfo) || string(a.From.ChanInfo) != string(b.From.ChanInfo)) {
		return false
	}
	return enginetest.Same(a, b) && maps.Equal(a.Tags, b.Tags) && a.CompactKey == b.CompactKey && a.Skip == b.Skip
}

// TestWindowOracle publishes, supersedes, takes back and removes at random. A window must answer as
// the oracle does, and an answer that it has given must not change afterwards.
func TestWindowOracle(t *testing.T) {
	times := 10 // of a hundred
	if wstest.Long() {
		times = 500
	}
	for range times {
		rapid.Check(t, checkWindow)
	}
}

func checkWindow(t *rapid.T) {
	keep := &engine.Retention{
		Messages: rapid.SampledFrom([]int{1, 2, 5, 20, 100}).Draw(t, "messages"),
		Bytes:    rapid.SampledFrom([]int{100, 1000, 1 << 20}).Draw(t, "bytes"),
		Age:      time.Minute,
	}
	w, want, now, top := new(Window), &plainWindow{gone: map[uint64]bool{}}, int64(0), uint64(0)
	type answer struct{ got, copy []engine.Publication }
	var answers []answer
	some := rapid.SampledFrom([]int{0, 1, 3, 30, 130, 300})
	letters := func(name string) string {
		return strings.Repeat(string(rune('a'+top%26)), some.Draw(t, name))
	}
	t.Repeat(map[string]func(*rapid.T){
		"publish": func(t *rapid.T) {
			m := engine.Message{Op: rapid.SampledFrom([]ws.OpCode{ws.OpText, ws.OpBinary, engine.OpJSON}).Draw(t, "op")}
			m.Skip, m.Data = rapid.IntRange(0, 9).Draw(t, "skip") == 0, []byte(letters("data"))
			if !m.Skip {
				if rapid.IntRange(0, 3).Draw(t, "event") == 0 {
					m.CompactKey = fmt.Sprint("key ", rapid.IntRange(0, 8).Draw(t, "key"))
				}
				if rapid.Bool().Draw(t, "has an author") {
					m.From = &engine.Author{User: letters("user"), Client: letters("client"), ConnInfo: []byte(letters("info")), ChanInfo: nil}
				}
				if rapid.IntRange(0, 3).Draw(t, "has tags") == 0 {
					m.Tags = map[string]string{engine.TagEvent: letters("tag"), "": letters("tag without a name")}
				}
			}
			prev := top
			if rapid.IntRange(0, 99).Draw(t, "gap") == 0 {
				prev += 2
				top = prev
			}
			top += uint64(rapid.IntRange(1, 3).Draw(t, "further"))
			p := engine.Publication{Message: m, Offset: top, Prev: prev, Time: time.Unix(0, now)}
			w.Append(&p, now)
			want.remember(p)
		},
		"trim": func(t *rapid.T) {
			w.Trim(keep, now)
			want.trim(*keep, time.Unix(0, now))
		},
		"wait": func(t *rapid.T) {
			now += int64(time.Second) * rapid.Int64Range(1, 40).Draw(t, "seconds")
		},
		"redact": func(t *rapid.T) {
			offset := rapid.Uint64Range(0, top+1).Draw(t, "offset")
			w.Redact([]uint64{offset})
			want.redact(offset)
		},
		"forget": func(t *rapid.T) {
			n := rapid.IntRange(0, len(want.entries)).Draw(t, "entries")
			w.forget(n)
			want.forget(n)
		},
		"read": func(t *rapid.T) {
			q := engine.Span{Behind: rapid.Uint64Range(0, top+2).Draw(t, "behind"), Before: rapid.Uint64Range(0, top+2).Draw(t, "before"),
				Limit: rapid.IntRange(-1, 20).Draw(t, "limit"), Newest: rapid.Bool().Draw(t, "newest"),
				Bytes: rapid.SampledFrom([]int{0, 1, 500, 5000}).Draw(t, "bytes"), Places: rapid.Bool().Draw(t, "places")}
			got := w.Read(q)
			if all := want.read(q); !slices.EqualFunc(got, all, sameWhole) {
				t.Fatalf("%+v:\n%+v\nwant\n%+v", q, got, all)
			}
			answers = append(answers, answer{got, copied(got)})
		},
		"": func(t *rapid.T) {
			if w.Cost() != want.cost() {
				t.Fatalf("the window counts %d, want %d", w.Cost(), want.cost())
			}
			if floor, ok := w.Floor(); floor != want.floor || ok != (top > 0) || w.Len() != len(want.entries) {
				t.Fatalf("%d entries behind %d, %v; want %d behind %d", w.Len(), floor, ok, len(want.entries), want.floor)
			}
			for _, a := range answers {
				if !slices.EqualFunc(a.got, a.copy, sameWhole) {
					t.Fatalf("an answer has changed:\n%+v\nwas\n%+v", a.got, a.copy)
				}
			}
			checkMemoryOf(t, w)
		},
	})
}

// copied returns copies of publications that share no memory with them.
func copied(all []engine.Publication) []engine.Publication {
	all = slices.Clone(all)
	for i := range all {
		p := &all[i]
		p.Data, p.CompactKey = slices.Clone(p.Data), strings.Clone(p.CompactKey)
		if a := p.From; a != nil {
			p.From = &engine.Author{User: strings.Clone(a.User), Client: strings.Clone(a.Client), ConnInfo: slices.Clone(a.ConnInfo), ChanInfo: slices.Clone(a.ChanInfo)}
		}
		tags := map[string]string{}
		for name, value := range p.Tags {
			tags[strings.Clone(name)] = strings.Clone(value)
		}
		p.Tags = tags
	}
	return all
}

// checkMemoryOf checks that a window's memory stays within a small multiple of its entries' size.
func checkMemoryOf(t rapid.TB, w *Window) {
	t.Helper()
	n, need := len(w.live()), 0
	for i := range w.live() {
		need += int(w.live()[i].size)
	}
	if dead := len(w.bytes) - int(w.used) - need; dead != int(w.dead) {
		t.Fatalf("%d bytes are dead, %d are counted", dead, w.dead)
	}
	if cap(w.entries) > 16+8*n || cap(w.bytes) > 2048+8*need {
		t.Fatalf("%d entries of %d bytes take room for %d and %d", n, need, cap(w.entries), cap(w.bytes))
	}
}

// TestWindowForgetsAll checks each reason to forget all publications.
func TestWindowForgetsAll(t *testing.T) {
	keep := &engine.Retention{Messages: 10, Bytes: 1000, Age: time.Hour}
	for name, do := range map[string]func(w *Window){
		"asked":               func(w *Window) { w.Forget() },
		"no messages":         func(w *Window) { w.Trim(&engine.Retention{Bytes: 1000, Age: time.Hour}, 0) },
		"age":                 func(w *Window) { w.Trim(keep, int64(time.Hour)+1) },
		"a message too large": func(w *Window) { say(w, 3, 2, 2000); w.Trim(keep, 0) },
		"a gap":               func(w *Window) { say(w, 9, 7, 2000); w.Trim(keep, 0) },
	} {
		w := new(Window)
		say(w, 1, 0, 10)
		w.Append(&engine.Publication{Message: engine.Message{Op: ws.OpText, CompactKey: "k"}, Offset: 2, Prev: 1}, 0)
		do(w)
		if floor, ok := w.Floor(); w.Len() != 0 || w.Cost() != 0 || floor != w.top || !ok || len(w.Read(engine.Span{Limit: -1})) != 0 {
			t.Errorf("%s: %d entries are left behind %d of %d", name, w.Len(), floor, w.top)
		}
		next := w.top + 1
		if say(w, next, w.top, 10); w.Len() != 1 {
			t.Errorf("%s: the next publication makes %d", name, w.Len())
		}
	}
}

// TestForeverWithAClockThatGoesBack checks that publications which are kept for ever stay, also before the clock's zero.
func TestForeverWithAClockThatGoesBack(t *testing.T) {
	w := new(Window)
	say(w, 1, 0, 10)
	w.Trim(&engine.Retention{Messages: 10, Bytes: 1000, Age: engine.Forever}, -int64(time.Hour))
	if w.Len() != 1 {
		t.Error("the publication is gone")
	}
}

// TestFreesBytesOfDropped drops a large message before the dead bytes of an event, which are then most of
// what is left.
func TestFreesBytesOfDropped(t *testing.T) {
	w := new(Window)
	say(w, 1, 0, 2000)
	say(w, 2, 1, 10)
	for i, size := range []int{1200, 10} {
		w.Append(&engine.Publication{Message: engine.Message{CompactKey: "k", Data: make([]byte, size)}, Offset: uint64(3 + i), Prev: uint64(2 + i)}, 0)
	}
	w.forget(1)
	checkMemoryOf(t, w)
	if all := w.Read(engine.Span{Limit: -1}); len(all) != 2 || all[0].Offset != 2 || all[1].Offset != 4 || len(all[1].Data) != 10 {
		t.Errorf("the window has %+v", all)
	}
}

// say appends a message of that many bytes.
func say(w *Window, offset, prev uint64, size int) {
	w.Append(&engine.Publication{Message: engine.Message{Op: ws.OpText, Data: make([]byte, size)}, Offset: offset, Prev: prev}, 0)
}

// A full window reuses its memory.
func TestWindowAllocatesNothing(t *testing.T) {
	for name, keep := range map[string]*engine.Retention{
		"by count": {Messages: 100, Bytes: 1 << 20, Age: time.Hour},
		"by bytes": {Messages: 1 << 20, Bytes: 10_000, Age: time.Hour},
	} {
		w, offset := new(Window), uint64(0)
		p := engine.Publication{Message: engine.Message{Op: engine.OpJSON, From: &engine.Author{User: "ann", Client: "123"}}, Time: time.Now()}
		data := make([]byte, 200)
		say := func() {
			offset++
			p.Offset, p.Prev, p.Data = offset, offset-1, data[:offset*37%200]
			w.Append(&p, 0)
			w.Trim(keep, 0)
		}
		for range 2000 {
			say()
		}
		if n := testing.AllocsPerRun(2000, say); n > 0 {
			t.Errorf("%s: %v allocations a publication", name, n)
		}
	}
}

// Positions have 32 bits and wrap around.
func TestWindowPositionsWrap(t *testing.T) {
	w, keep := &Window{base: math.MaxUint32 - 1000}, &engine.Retention{Messages: 10, Bytes: 1 << 20, Age: time.Hour}
	for offset := uint64(1); offset <= 100; offset++ {
		p := engine.Publication{Message: engine.Message{Op: ws.OpText, Data: fmt.Appendf(nil, "%0100d", offset)}, Offset: offset, Prev: offset - 1}
		w.Append(&p, 0)
		w.Trim(keep, 0)
		all := w.Read(engine.Span{Limit: -1})
		for i, p := range all {
			if want := fmt.Sprintf("%0100d", p.Offset); string(p.Data) != want || p.Offset != offset-uint64(len(all)-1-i) {
				t.Fatalf("entry %d is %d: %s", i, p.Offset, p.Data)
			}
		}
	}
}

// TestHas looks for the authors of what is in a window, and not of what was in it.
func TestHas(t *testing.T) {
	w := new(Window)
	w.Append(&engine.Publication{Offset: 1, Message: engine.Message{Data: []byte("x"), From: &engine.Author{User: "ann"}}}, 0)
	w.Append(&engine.Publication{Offset: 2, Prev: 1, Message: engine.Message{Data: []byte("ann"), Tags: map[string]string{"a": "b"}}}, 0)
	if !w.Has("ann") || w.Has("bob") || w.Has("") {
		t.Error("the authors in the window are wrong")
	}
	w.Forget()
	if w.Has("ann") {
		t.Error("an author of a forgotten publication is there")
	}
}
