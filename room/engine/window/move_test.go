package window

import (
	"bytes"
	"reflect"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"pgregory.net/rapid"

	"webim/netpoll/snapshot"
	"webim/room/engine"
)

func exported(w *Window, now int64) []byte {
	var e snapshot.Encoder
	w.Export(&e, now)
	return e.B
}

// TestState checks that a window has the same publications in another process, and the same limits from then on.
func TestState(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var w Window
		keep := &engine.Retention{Messages: 20, Bytes: 2000, Age: time.Hour}
		offset, now := uint64(0), int64(5)
		add := func(to ...*Window) {
			now += rapid.Int64Range(0, int64(10*time.Minute)).Draw(t, "pause")
			p := &engine.Publication{Offset: offset + rapid.Uint64Range(1, 3).Draw(t, "step"), Prev: offset, Time: time.Unix(0, now)}
			p.Message = engine.Message{Op: ws.OpText, Data: rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(t, "data"), CompactKey: rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "key"),
				Skip: rapid.Bool().Draw(t, "skip") && rapid.Bool().Draw(t, "skip too")}
			if rapid.Bool().Draw(t, "author") {
				p.From = &engine.Author{User: "ann", Client: "c", ConnInfo: []byte("{}")}
				p.Tags = map[string]string{"k": "v"}
			}
			offset = p.Offset
			for _, w := range to {
				w.Append(p, now)
				w.Trim(keep, now)
			}
		}
		for range rapid.IntRange(0, 60).Draw(t, "before") {
			add(&w)
		}
		var moved Window
		if err := moved.Import(exported(&w, now), now); err != nil {
			t.Fatal(err)
		}
		for i := range rapid.IntRange(1, 20).Draw(t, "after") {
			all := engine.Span{Limit: -1, Places: true}
			if got, want := moved.Read(all), w.Read(all); !reflect.DeepEqual(got, want) {
				t.Fatalf("after %d more: %+v, want %+v", i, got, want)
			}
			a, aok := moved.Floor()
			b, bok := w.Floor()
			if a != b || aok != bok || moved.Cost() != w.Cost() || moved.Len() != w.Len() {
				t.Fatalf("after %d more: floor %d, cost %d, %d entries; want %d, %d, %d", i, a, moved.Cost(), moved.Len(), b, w.Cost(), w.Len())
			}
			add(&w, &moved)
		}
	})
}

// FuzzImport checks that no bytes make Import panic, nor a window that was imported.
func FuzzImport(f *testing.F) {
	var w Window
	for i := range uint64(3) {
		w.Append(&engine.Publication{Offset: i + 1, Prev: i, Time: time.Unix(1, 0), Message: engine.Message{Op: ws.OpText, Data: []byte("data"), CompactKey: "key",
			From: &engine.Author{User: "ann"}, Tags: map[string]string{"a": "b"}}}, 7)
	}
	f.Add(exported(&w, 9))
	f.Fuzz(func(t *testing.T, b []byte) {
		var w Window
		if w.Import(b, 1) != nil {
			return
		}
		w.Read(engine.Span{Limit: -1, Places: true})
		w.Trim(&engine.Retention{Messages: 1, Bytes: 100, Age: time.Second}, 1<<40)
		w.Forget()
	})
}

// TestStateIsStable checks that a state is written as it was read.
func TestStateIsStable(t *testing.T) {
	var w, moved Window
	for i := range uint64(50) {
		w.Append(&engine.Publication{Offset: i + 1, Prev: i, Time: time.Unix(1, 0), Message: engine.Message{Op: ws.OpText, Data: []byte("data")}}, int64(i))
	}
	first := exported(&w, 100)
	if err := moved.Import(first, 1000); err != nil || !bytes.Equal(exported(&moved, 1000), first) {
		t.Errorf("%v, or another state", err)
	}
	for i := range first {
		var bad Window
		_ = bad.Import(first[:i], 0) // never a panic
	}
}
