package jetstream

import (
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"webim/netpoll/wstest"
	"webim/room/budget"
	"webim/room/engine"
)

// recorder is a subscriber that records its calls.
type recorder struct {
	mu     sync.Mutex
	cond   *sync.Cond
	begins []engine.Position
	got    []engine.Publication
	notes  []engine.Notice
	erased []string
}

func newRecorder() *recorder {
	r := &recorder{}
	r.cond = sync.NewCond(&r.mu)
	return r
}

func (r *recorder) record(f func()) {
	r.mu.Lock()
	f()
	r.cond.Broadcast()
	r.mu.Unlock()
}

func (r *recorder) Begin(at engine.Position)     { r.record(func() { r.begins = append(r.begins, at) }) }
func (r *recorder) Deliver(p engine.Publication) { r.record(func() { r.got = append(r.got, p) }) }
func (r *recorder) Notify(n engine.Notice)       { r.record(func() { r.notes = append(r.notes, n) }) }
func (r *recorder) Erased(user string, _ time.Time) {
	r.record(func() { r.erased = append(r.erased, user) })
}
func (r *recorder) Members(int) ([]engine.Author, int) { return nil, 0 }
func (r *recorder) Count(func(string)) (int, int)      { return 0, 0 }

// wait waits until the condition holds. It is called with the lock held.
func (r *recorder) wait(t testing.TB, what string, is func() bool) {
	t.Helper()
	timer := time.AfterFunc(wstest.Patience, func() { r.record(func() {}) })
	defer timer.Stop()
	deadline := time.Now().Add(wstest.Patience)
	r.mu.Lock()
	defer r.mu.Unlock()
	for !is() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s: %d begins, %d publications", what, len(r.begins), len(r.got))
		}
		r.cond.Wait()
	}
}

type outcome struct {
	pos engine.Position
	err error
}

// publish publishes and waits for the answer.
func publish(t testing.TB, e *Engine, room string, m engine.Message) outcome {
	t.Helper()
	c := make(chan outcome, 1)
	e.Publish(room, m, func(p engine.Position, err error) { c <- outcome{p, err} })
	return receive(t, c)
}

func receive[T any](t testing.TB, c chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(wstest.Patience):
		t.Fatal("no answer")
		panic("unreachable")
	}
}

func text(s string) engine.Message { return engine.Message{Op: ws.OpText, Data: []byte(s)} }

func history(t testing.TB, e *Engine, room string, part engine.Span) engine.History {
	t.Helper()
	h, err := tryHistory(t, e, room, part)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// tryHistory is history for a node that may be behind others.
func tryHistory(t testing.TB, e *Engine, room string, part engine.Span) (h engine.History, err error) {
	t.Helper()
	done := make(chan bool, 1)
	e.History(room, part, func(got engine.History, failed error) {
		h, err = got, failed
		done <- true
	})
	receive(t, done)
	return h, err
}

func checkChain(t testing.TB, all []engine.Publication) {
	t.Helper()
	for i := range all[min(1, len(all)):] {
		if all[i+1].Prev != all[i].Offset {
			t.Fatalf("publication %d at %d follows %d, and the one before is at %d", i+1, all[i+1].Offset, all[i+1].Prev, all[i].Offset)
		}
	}
}

// subscribe subscribes and waits for Begin.
func subscribe(t testing.TB, e *Engine, room string) *recorder {
	t.Helper()
	r := newRecorder()
	e.Subscribe(room, budget.Owner{}, r)
	r.wait(t, "Begin", func() bool { return len(r.begins) == 1 })
	return r
}

// deaf makes the server send nothing of a room to a node, as if all were lost on the way, until the
// returned function is called.
func deaf(t testing.TB, e *Engine, room string) (hear func()) {
	t.Helper()
	topic := e.topic(room)
	topic.unload()
	if err := e.nc.Flush(); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := topic.listen(); err != nil {
			t.Fatal(err)
		}
		if err := e.nc.Flush(); err != nil {
			t.Fatal(err)
		}
	}
}
