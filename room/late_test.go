package room_test

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"webim/room/budget"
	"webim/room/engine"
	"webim/room/engine/memory"
)

// late is an engine whose calls back come late and out of step, from goroutines
// of its own, as those of an engine over a network do: only what a subscriber
// gets keeps its order.
type late struct {
	*memory.Engine
	mu     sync.Mutex
	wake   *sync.Cond
	rnd    *rand.Rand
	calls  []func() // in any order
	lines  []*line  // each in its own
	of     map[engine.Subscriber]*line
	ended  bool
	fault  func(p *engine.Publication) int // how often it is delivered; nil: once
	worker sync.WaitGroup
}

// line is what a subscriber is to be told.
type line struct {
	to    engine.Subscriber
	l     *late
	queue []func()
	busy  bool
}

func newLate(t testing.TB, m *memory.Engine, seed uint64) *late {
	l := &late{Engine: m, rnd: rand.New(rand.NewPCG(seed, 1)), of: map[engine.Subscriber]*line{}}
	l.wake = sync.NewCond(&l.mu)
	for range 2 {
		l.worker.Go(l.work)
	}
	t.Cleanup(func() { // behind the nodes, which are made later
		l.mu.Lock()
		l.ended = true
		l.wake.Broadcast()
		l.mu.Unlock()
		l.worker.Wait()
	})
	return l
}

// work makes calls until the end, and all that are left then.
func (l *late) work() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		ready := slices.DeleteFunc(slices.Clone(l.lines), func(q *line) bool { return q.busy || len(q.queue) == 0 })
		n := len(l.calls) + len(ready)
		switch {
		case n == 0 && l.ended:
			return
		case n == 0:
			l.wake.Wait()
			continue
		}
		if i := l.rnd.IntN(n); i < len(l.calls) {
			call := l.calls[i]
			l.calls = slices.Delete(l.calls, i, i+1)
			l.mu.Unlock()
			call()
			l.mu.Lock()
		} else {
			l.serve(ready[i-len(l.calls)])
		}
	}
}

// serve tells a subscriber some of what it is to be told.
func (l *late) serve(q *line) {
	n := min(len(q.queue), 1+l.rnd.IntN(8))
	some := slices.Clone(q.queue[:n])
	q.queue, q.busy = q.queue[n:], true
	l.mu.Unlock()
	for _, call := range some {
		call()
	}
	l.mu.Lock()
	q.busy = false
	l.wake.Broadcast()
}

func (l *late) later(call func()) {
	l.mu.Lock()
	l.calls = append(l.calls, call)
	l.mu.Unlock()
	l.wake.Signal()
}

func (q *line) later(call func()) {
	q.l.mu.Lock()
	q.queue = append(q.queue, call)
	q.l.mu.Unlock()
	q.l.wake.Signal()
}

func (l *late) Publish(room string, m engine.Message, done func(engine.Position, error)) {
	l.Engine.Publish(room, m, func(p engine.Position, err error) {
		if done != nil {
			l.later(func() { done(p, err) })
		}
	})
}

func (l *late) History(room string, part engine.Span, done func(engine.History, error)) {
	l.Engine.History(room, part, func(h engine.History, err error) { l.later(func() { done(h, err) }) })
}

func (l *late) Known(room string, m engine.Message, done func(engine.Position, error)) {
	l.Engine.Known(room, m, func(p engine.Position, err error) { l.later(func() { done(p, err) }) })
}

func (l *late) Members(room string, limit int, done func([]engine.Author, error)) {
	l.later(func() { l.Engine.Members(room, limit, done) })
}

func (l *late) Count(room string, done func(clients, users int, err error)) {
	l.later(func() { l.Engine.Count(room, done) })
}

func (l *late) Subscribe(room string, payer budget.Owner, s engine.Subscriber) {
	q := &line{to: s, l: l}
	l.mu.Lock()
	l.lines = append(l.lines, q)
	l.of[s] = q
	l.mu.Unlock()
	l.Engine.Subscribe(room, payer, q)
}

func (l *late) Unsubscribe(room string, s engine.Subscriber) {
	l.mu.Lock()
	q := l.of[s]
	delete(l.of, s)
	l.mu.Unlock()
	l.Engine.Unsubscribe(room, q)
	q.later(func() {
		l.mu.Lock()
		l.lines = slices.DeleteFunc(l.lines, func(o *line) bool { return o == q })
		l.mu.Unlock()
	})
}

func (q *line) Begin(at engine.Position)                 { q.later(func() { q.to.Begin(at) }) }
func (q *line) Notify(n engine.Notice)                   { q.later(func() { q.to.Notify(n) }) }
func (q *line) Members(limit int) ([]engine.Author, int) { return q.to.Members(limit) }

func (q *line) Count(named func(string)) (clients, users int) { return q.to.Count(named) }

func (q *line) Deliver(p engine.Publication) {
	p.Data = bytes.Clone(p.Data)
	times := 1
	if q.l.fault != nil {
		times = q.l.fault(&p)
	}
	for range times {
		q.later(func() { q.to.Deliver(p) })
	}
}
