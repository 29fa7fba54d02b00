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

// asyncEngine is an engine that calls back late and in random order, from its own goroutines, like an
// engine over a network. Only the calls of one subscriber keep their order.
type asyncEngine struct {
	*memory.Engine
	mu     sync.Mutex
	wake   *sync.Cond
	rnd    *rand.Rand
	calls  []func()           // in any order
	lines  []*subscriberQueue // each in its own
	of     map[engine.Subscriber]*subscriberQueue
	ended  bool
	fault  func(p *engine.Publication) int // how often it is delivered; nil: once
	worker sync.WaitGroup
}

// subscriberQueue holds the calls of one subscriber that are still to be made.
type subscriberQueue struct {
	to    engine.Subscriber
	l     *asyncEngine
	queue []func()
	busy  bool
}

func newAsyncEngine(t testing.TB, m *memory.Engine, seed uint64) *asyncEngine {
	l := &asyncEngine{Engine: m, rnd: rand.New(rand.NewPCG(seed, 1)), of: map[engine.Subscriber]*subscriberQueue{}}
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
func (l *asyncEngine) work() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		ready := slices.DeleteFunc(slices.Clone(l.lines), func(q *subscriberQueue) bool { return q.busy || len(q.queue) == 0 })
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

// serve makes some of the calls of a subscriber.
func (l *asyncEngine) serve(q *subscriberQueue) {
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

func (l *asyncEngine) later(call func()) {
	l.mu.Lock()
	l.calls = append(l.calls, call)
	l.mu.Unlock()
	l.wake.Signal()
}

func (q *subscriberQueue) later(call func()) {
	q.l.mu.Lock()
	q.queue = append(q.queue, call)
	q.l.mu.Unlock()
	q.l.wake.Signal()
}

func (l *asyncEngine) Publish(room string, m engine.Message, done func(engine.Position, error)) {
	l.Engine.Publish(room, m, func(p engine.Position, err error) {
		if done != nil {
			l.later(func() { done(p, err) })
		}
	})
}

func (l *asyncEngine) History(room string, part engine.Span, done func(engine.History, error)) {
	l.Engine.History(room, part, func(h engine.History, err error) { l.later(func() { done(h, err) }) })
}

func (l *asyncEngine) Known(room string, m engine.Message, done func(engine.Position, error)) {
	l.Engine.Known(room, m, func(p engine.Position, err error) { l.later(func() { done(p, err) }) })
}

func (l *asyncEngine) Members(room string, limit int, done func([]engine.Author, error)) {
	l.later(func() { l.Engine.Members(room, limit, done) })
}

func (l *asyncEngine) Count(room string, done func(clients, users int, err error)) {
	l.later(func() { l.Engine.Count(room, done) })
}

func (l *asyncEngine) Subscribe(room string, payer budget.Owner, s engine.Subscriber) {
	q := &subscriberQueue{to: s, l: l}
	l.mu.Lock()
	l.lines = append(l.lines, q)
	l.of[s] = q
	l.mu.Unlock()
	l.Engine.Subscribe(room, payer, q)
}

func (l *asyncEngine) Unsubscribe(room string, s engine.Subscriber) {
	l.mu.Lock()
	q := l.of[s]
	delete(l.of, s)
	l.mu.Unlock()
	l.Engine.Unsubscribe(room, q)
	q.later(func() {
		l.mu.Lock()
		l.lines = slices.DeleteFunc(l.lines, func(o *subscriberQueue) bool { return o == q })
		l.mu.Unlock()
	})
}

func (q *subscriberQueue) Begin(at engine.Position)                 { q.later(func() { q.to.Begin(at) }) }
func (q *subscriberQueue) Notify(n engine.Notice)                   { q.later(func() { q.to.Notify(n) }) }
func (q *subscriberQueue) Members(limit int) ([]engine.Author, int) { return q.to.Members(limit) }

func (q *subscriberQueue) Count(named func(string)) (clients, users int) { return q.to.Count(named) }

func (q *subscriberQueue) Deliver(p engine.Publication) {
	p.Data = bytes.Clone(p.Data)
	times := 1
	if q.l.fault != nil {
		times = q.l.fault(&p)
	}
	for range times {
		q.later(func() { q.to.Deliver(p) })
	}
}
