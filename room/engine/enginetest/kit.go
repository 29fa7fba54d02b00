package enginetest

import (
	"bytes"
	"errors"
	"flag"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"pgregory.net/rapid"

	"webim/netpoll/wstest"
	"webim/room/budget"
	"webim/room/engine"
)

// NoPayer stands for the server itself.
var NoPayer budget.Owner

// Checks makes rapid check n random cases of what takes long, instead of a hundred, until the test ends. At full size, and
// if the command line names a number, it does nothing.
func Checks(t *testing.T, n int) {
	t.Helper()
	checks := flag.Lookup("rapid.checks")
	before := checks.Value.String()
	if wstest.Long() || before != checks.DefValue {
		return
	}
	if err := checks.Value.Set(strconv.Itoa(n)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = checks.Value.Set(before) })
}

// Clock is a clock that a test moves. The zero value is ready.
type Clock struct{ nanos atomic.Int64 }

// Now returns the time.
func (f *Clock) Now() time.Time { return time.Unix(1_000_000, f.nanos.Load()) }

// Advance moves the clock forward.
func (f *Clock) Advance(d time.Duration) { f.nanos.Add(int64(d)) }

// Publish publishes a message, waits for its done, and returns the position.
func Publish(t rapid.TB, m engine.Engine, room string, data []byte) engine.Position {
	t.Helper()
	sent := bytes.Clone(data)
	pos, err := publish(t, m, room, engine.Message{Op: ws.OpBinary, Data: sent})
	if err != nil {
		t.Fatalf("Publish: %v", err)
	}
	return pos
}

// publish publishes a message. Then it overwrites m.Data, which the engine must have copied.
func publish(t rapid.TB, e engine.Engine, room string, m engine.Message) (pos engine.Position, err error) {
	t.Helper()
	call(t, "Publish", func(done func()) {
		e.Publish(room, m, func(p engine.Position, failed error) { pos, err = p, failed; done() })
		clear(m.Data)
	})
	return pos, err
}

// Announce publishes an event with a CompactKey, waits for its done, and returns the position.
func Announce(t rapid.TB, e engine.Engine, room, key, data string) engine.Position {
	t.Helper()
	pos, err := publish(t, e, room, engine.Message{Op: ws.OpText, Data: []byte(data), CompactKey: key})
	if err != nil {
		t.Fatalf("Publish: %v", err)
	}
	return pos
}

// History reads a part of a history, and waits for it.
func History(t rapid.TB, m engine.Engine, room string, part engine.Span) (h engine.History) {
	t.Helper()
	var err error
	call(t, "History", func(done func()) {
		m.History(room, part, func(got engine.History, failed error) { h, err = got, failed; done() })
	})
	if err != nil {
		t.Fatalf("History: %v", err)
	}
	return h
}

// Same compares publications, including their data.
func Same(a, b engine.Publication) bool {
	return a.Op == b.Op && a.Offset == b.Offset && a.Prev == b.Prev && a.Time.Equal(b.Time) && bytes.Equal(a.Data, b.Data)
}

// Recorder is a subscriber that keeps a copy of all publications that it gets. It has no members.
type Recorder struct {
	mu     sync.Mutex
	begins []engine.Position
	got    []engine.Publication
	erased []string
}

// Begin records the position.
func (r *Recorder) Begin(at engine.Position) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.begins = append(r.begins, at)
}

// Begins returns the positions of all calls of Begin.
func (r *Recorder) Begins() []engine.Position {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.begins)
}

// Got returns the publications that were delivered.
func (r *Recorder) Got() []engine.Publication {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.got)
}

// Notify ignores the notice.
func (r *Recorder) Notify(engine.Notice) {}

// Erased records the user.
func (r *Recorder) Erased(user string, _ time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.erased = append(r.erased, user)
}

// Users returns the users for which Erased was called.
func (r *Recorder) Users() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.erased)
}

// Members returns no members.
func (r *Recorder) Members(int) ([]engine.Author, int) { return nil, 0 }

// Count returns no members.
func (r *Recorder) Count(func(string)) (clients, users int) { return 0, 0 }

// Deliver records the publication.
func (r *Recorder) Deliver(p engine.Publication) {
	p.Data = bytes.Clone(p.Data)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.got = append(r.got, p)
}

// begin waits for the first call of Begin, and returns its position.
func (r *Recorder) begin(t rapid.TB) engine.Position {
	t.Helper()
	eventually(t, func() error {
		if len(r.Begins()) == 0 {
			return errors.New("the subscriber has not begun")
		}
		return nil
	})
	return r.Begins()[0]
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
