package jetstream

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"

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

func (r *recorder) Begin(at engine.Position)           { r.record(func() { r.begins = append(r.begins, at) }) }
func (r *recorder) Deliver(p engine.Publication)       { r.record(func() { r.got = append(r.got, p) }) }
func (r *recorder) Notify(n engine.Notice)             { r.record(func() { r.notes = append(r.notes, n) }) }
func (r *recorder) Members(int) ([]engine.Author, int) { return nil, 0 }
func (r *recorder) Count(func(string)) (int, int)      { return 0, 0 }

// wait waits until the condition holds. It is called with the lock held.
func (r *recorder) wait(t testing.TB, what string, is func() bool) {
	t.Helper()
	timer := time.AfterFunc(20*time.Second, func() { r.record(func() {}) })
	defer timer.Stop()
	deadline := time.Now().Add(20 * time.Second)
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
	case <-time.After(20 * time.Second):
		t.Fatal("no answer")
		panic("unreachable")
	}
}

func text(s string) engine.Message { return engine.Message{Op: ws.OpText, Data: []byte(s)} }

func history(t testing.TB, e *Engine, room string, part engine.Span) engine.History {
	t.Helper()
	type answer struct {
		h   engine.History
		err error
	}
	c := make(chan answer, 1)
	e.History(room, part, func(h engine.History, err error) { c <- answer{h, err} })
	a := receive(t, c)
	if a.err != nil {
		t.Fatal(a.err)
	}
	return a.h
}

func checkChain(t testing.TB, all []engine.Publication) {
	t.Helper()
	for i := range all[min(1, len(all)):] {
		if all[i+1].Prev != all[i].Offset {
			t.Fatalf("publication %d at %d follows %d, and the one before is at %d", i+1, all[i+1].Offset, all[i+1].Prev, all[i].Offset)
		}
	}
}

func TestPublishAndDeliver(t *testing.T) {
	s := startServer(t, t.TempDir())
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

// TestHistoryOracle compares all kinds of spans, on a node with members and on one without, after
// restarts of the node, with the plain answer.
func TestHistoryOracle(t *testing.T) {
	s := startServer(t, t.TempDir())
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
