package room

import (
	"bytes"
	"os"
	"sync/atomic"
	"time"
	"webim/room/budget"

	"github.com/gobwas/ws"
	"pgregory.net/rapid"
)

// noPayer stands for the server itself.
var noPayer budget.Owner

// long reports whether the tests are to run at full size.
func long() bool { return os.Getenv("WEBIM_LONG") != "" }

// fakeTime is a clock that a test moves.
type fakeTime struct{ nanos atomic.Int64 }

func (f *fakeTime) now() time.Time          { return time.Unix(1_000_000, f.nanos.Load()) }
func (f *fakeTime) advance(d time.Duration) { f.nanos.Add(int64(d)) }

// publish sends a message and sees that it is done once, with its place.
func publish(t rapid.TB, m Engine, room string, data []byte) Position {
	t.Helper()
	var pos Position
	calls, sent := 0, bytes.Clone(data)
	m.Publish(room, Message{Op: ws.OpBinary, Data: sent}, func(p Position, err error) {
		if calls++; err != nil {
			t.Fatalf("Publish: %v", err)
		}
		pos = p
	})
	clear(sent) // it may be reused now
	if calls != 1 {
		t.Fatalf("done was called %d times", calls)
	}
	return pos
}

func history(t rapid.TB, m Engine, room string, part Span) (h History) {
	t.Helper()
	calls := 0
	m.History(room, part, func(got History, err error) {
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

// same compares publications, data included.
func same(a, b Publication) bool {
	return a.Op == b.Op && a.Offset == b.Offset && a.Prev == b.Prev && a.Time.Equal(b.Time) && bytes.Equal(a.Data, b.Data)
}

// recorder is a subscriber that keeps a copy of all it gets.
type recorder struct{ got []Publication }

func (r *recorder) Begun(Position)              {}
func (r *recorder) Noticed(Notice)              {}
func (r *recorder) Present(int) ([]Author, int) { return nil, 0 }

func (r *recorder) Count(func(string)) (clients, users int) { return 0, 0 }

func (r *recorder) Deliver(p Publication) {
	p.Data = bytes.Clone(p.Data)
	r.got = append(r.got, p)
}

// exclusive is a subscriber that cannot be called twice at once.
type exclusive struct {
	recorder
	inside  atomic.Bool
	overlap atomic.Bool
}

func (e *exclusive) Deliver(p Publication) {
	if e.inside.Swap(true) {
		e.overlap.Store(true)
	}
	e.recorder.Deliver(p)
	e.inside.Store(false)
}

// announce publishes an event.
func announce(m Engine, room, key, data string) (pos Position) {
	m.Publish(room, Message{Op: ws.OpText, Data: []byte(data), CompactKey: key}, func(p Position, err error) { pos = p })
	return pos
}
