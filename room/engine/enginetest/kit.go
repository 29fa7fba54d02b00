// Package enginetest is the test kit for engines, and for rooms on an engine: a clock that the test
// moves, subscribers that record their calls, and calls that check that done is called once.
package enginetest

import (
	"bytes"
	"os"
	"sync/atomic"
	"time"

	"github.com/gobwas/ws"
	"pgregory.net/rapid"

	"webim/room/budget"
	"webim/room/engine"
)

// NoPayer stands for the server itself.
var NoPayer budget.Owner

// Long reports whether the tests run at full size.
func Long() bool { return os.Getenv("WEBIM_LONG") != "" }

// Clock is a clock that a test moves. The zero value is ready.
type Clock struct{ nanos atomic.Int64 }

// Now returns the time.
func (f *Clock) Now() time.Time { return time.Unix(1_000_000, f.nanos.Load()) }

// Advance moves the clock forward.
func (f *Clock) Advance(d time.Duration) { f.nanos.Add(int64(d)) }

// Publish publishes a message, checks that done is called once before Publish returns, and
// returns the position.
func Publish(t rapid.TB, m engine.Engine, room string, data []byte) engine.Position {
	t.Helper()
	var pos engine.Position
	calls, sent := 0, bytes.Clone(data)
	m.Publish(room, engine.Message{Op: ws.OpBinary, Data: sent}, func(p engine.Position, err error) {
		if calls++; err != nil {
			t.Fatalf("Publish: %v", err)
		}
		pos = p
	})
	clear(sent) // the engine must have copied it
	if calls != 1 {
		t.Fatalf("done was called %d times", calls)
	}
	return pos
}

// History reads a part of a history, and checks that done is called once before History returns.
func History(t rapid.TB, m engine.Engine, room string, part engine.Span) (h engine.History) {
	t.Helper()
	calls := 0
	m.History(room, part, func(got engine.History, err error) {
		if calls++; err != nil {
			t.Fatalf("History: %v", err)
		}
		h = got
	})
	if calls != 1 {
		t.Fatalf("done was called %d times", calls)
	}
	return h
}

// Same compares publications, including their data.
func Same(a, b engine.Publication) bool {
	return a.Op == b.Op && a.Offset == b.Offset && a.Prev == b.Prev && a.Time.Equal(b.Time) && bytes.Equal(a.Data, b.Data)
}

// Recorder is a subscriber that keeps a copy of all publications that it gets. It has no members.
type Recorder struct {
	Begins []engine.Position
	Got    []engine.Publication
}

// Begin records the position.
func (r *Recorder) Begin(at engine.Position) { r.Begins = append(r.Begins, at) }

// Notify ignores the notice.
func (r *Recorder) Notify(engine.Notice) {}

// Members returns no members.
func (r *Recorder) Members(int) ([]engine.Author, int) { return nil, 0 }

// Count returns no members.
func (r *Recorder) Count(func(string)) (clients, users int) { return 0, 0 }

// Deliver records the publication.
func (r *Recorder) Deliver(p engine.Publication) {
	p.Data = bytes.Clone(p.Data)
	r.Got = append(r.Got, p)
}

// Exclusive is a Recorder that detects calls of Deliver that overlap.
type Exclusive struct {
	Recorder
	inside  atomic.Bool
	Overlap atomic.Bool
}

// Deliver records the publication.
func (e *Exclusive) Deliver(p engine.Publication) {
	if e.inside.Swap(true) {
		e.Overlap.Store(true)
	}
	e.Recorder.Deliver(p)
	e.inside.Store(false)
}

// Announce publishes an event with a CompactKey, and returns its position.
func Announce(m engine.Engine, room, key, data string) (pos engine.Position) {
	m.Publish(room, engine.Message{Op: ws.OpText, Data: []byte(data), CompactKey: key}, func(p engine.Position, err error) { pos = p })
	return pos
}
