package enginetest

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"webim/room/budget"
	"webim/room/engine"
)

// Late is an engine that calls back late and in random order, from its own goroutines, like an engine
// over a network. Only the calls of one subscriber keep their order. Everything else is done by the
// engine inside it, which may have several Late around it: then each is a node.
type Late struct {
	engine.Engine
	// Fault, if not nil, says how often a publication is delivered, and may change it.
	Fault func(p *engine.Publication) int

	mu     sync.Mutex
	wake   *sync.Cond
	rnd    *rand.Rand
	calls  []func()           // in any order
	lines  []*subscriberQueue // each in its own
	of     map[subscription]*subscriberQueue
	ended  bool
	worker sync.WaitGroup
}

type subscription struct {
	room string
	to   engine.Subscriber
}

// subscriberQueue holds the calls of one subscriber that are still to be made.
type subscriberQueue struct {
	to    engine.Subscriber
	l     *Late
	queue []func()
	busy  bool
}

// NewLate returns a Late around an engine. Its goroutines end with the test, after they have made all
// calls.
func NewLate(t TB, inner engine.Engine, seed uint64) *Late {
	l := &Late{Engine: inner, rnd: rand.New(rand.NewPCG(seed, 1)), of: map[subscription]*subscriberQueue{}}
	l.wake = sync.NewCond(&l.mu)
	for range 2 {
		l.worker.Go(l.work)
	}
	t.Cleanup(func() { // after the users of the engine, which are made later
		l.mu.Lock()
		l.ended = true
		l.wake.Broadcast()
		l.mu.Unlock()
		l.worker.Wait()
	})
	return l
}

// Expire implements engine.Expirer, if the engine inside does.
func (l *Late) Expire() {
	if x, ok := l.Engine.(engine.Expirer); ok {
		x.Expire()
	}
}

// work makes calls until the end, and all that are left then.
func (l *Late) work() {
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
func (l *Late) serve(q *subscriberQueue) {
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

func (l *Late) later(call func()) {
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

// Publish implements engine.Log.
func (l *Late) Publish(room string, m engine.Message, done func(engine.Position, error)) {
	l.Engine.Publish(room, m, func(p engine.Position, err error) {
		if done != nil {
			l.later(func() { done(p, err) })
		}
	})
}

// Known implements engine.Log.
func (l *Late) Known(room string, m engine.Message, done func(engine.Position, error)) {
	l.Engine.Known(room, m, func(p engine.Position, err error) { l.later(func() { done(p, err) }) })
}

// History implements engine.Log.
func (l *Late) History(room string, part engine.Span, done func(engine.History, error)) {
	l.Engine.History(room, part, func(h engine.History, err error) { l.later(func() { done(h, err) }) })
}

// Erase implements engine.Eraser.
func (l *Late) Erase(user string, done func(error)) {
	l.Engine.(engine.Eraser).Erase(user, func(err error) { l.later(func() { done(err) }) })
}

// RemoveHistory implements engine.Log.
func (l *Late) RemoveHistory(room string, done func(error)) {
	l.Engine.RemoveHistory(room, func(err error) { l.later(func() { done(err) }) })
}

// Redact implements engine.Log.
func (l *Late) Redact(room string, offsets []uint64, done func(error)) {
	l.Engine.Redact(room, offsets, func(err error) { l.later(func() { done(err) }) })
}

// Get implements engine.State.
func (l *Late) Get(k engine.Key, done func(engine.Entry, error)) {
	l.Engine.Get(k, func(e engine.Entry, err error) { l.later(func() { done(e, err) }) })
}

// Put implements engine.State.
func (l *Late) Put(e engine.Entry, done func(uint64, error)) {
	l.Engine.Put(e, func(version uint64, err error) { l.later(func() { done(version, err) }) })
}

// Delete implements engine.State.
func (l *Late) Delete(k engine.Key, version uint64, done func(error)) {
	l.Engine.Delete(k, version, func(err error) { l.later(func() { done(err) }) })
}

// List implements engine.State.
func (l *Late) List(table, of, after string, limit int, done func([]engine.Entry, error)) {
	l.Engine.List(table, of, after, limit, func(all []engine.Entry, err error) { l.later(func() { done(all, err) }) })
}

// CountEntries implements engine.State.
func (l *Late) CountEntries(table, of, after, before string, done func(int, error)) {
	l.Engine.CountEntries(table, of, after, before, func(n int, err error) { l.later(func() { done(n, err) }) })
}

// SendControl implements engine.Control.
func (l *Late) SendControl(m engine.ControlMessage, done func(error)) {
	l.Engine.SendControl(m, func(err error) { l.later(func() { done(err) }) })
}

// Collect implements engine.Control.
func (l *Late) Collect(q engine.Question, done func([]engine.NodeInfo, error)) {
	l.Engine.Collect(q, func(all []engine.NodeInfo, err error) { l.later(func() { done(all, err) }) })
}

// Members implements engine.Control.
func (l *Late) Members(room string, limit int, done func([]engine.Author, error)) {
	l.later(func() { l.Engine.Members(room, limit, done) })
}

// Count implements engine.Control.
func (l *Late) Count(room string, done func(clients, users int, err error)) {
	l.later(func() { l.Engine.Count(room, done) })
}

// Subscribe implements engine.Log.
func (l *Late) Subscribe(room string, payer budget.Owner, s engine.Subscriber) {
	q := &subscriberQueue{to: s, l: l}
	l.mu.Lock()
	l.lines = append(l.lines, q)
	l.of[subscription{room, s}] = q
	l.mu.Unlock()
	l.Engine.Subscribe(room, payer, q)
}

// Unsubscribe implements engine.Log.
func (l *Late) Unsubscribe(room string, s engine.Subscriber) {
	l.mu.Lock()
	q := l.of[subscription{room, s}]
	delete(l.of, subscription{room, s})
	l.mu.Unlock()
	if q == nil {
		l.Engine.Unsubscribe(room, s)
		return
	}
	l.Engine.Unsubscribe(room, q)
	q.later(func() {
		l.mu.Lock()
		l.lines = slices.DeleteFunc(l.lines, func(o *subscriberQueue) bool { return o == q })
		l.mu.Unlock()
	})
}

// Begin implements engine.Subscriber.
func (q *subscriberQueue) Begin(at engine.Position) { q.later(func() { q.to.Begin(at) }) }

// Notify implements engine.Subscriber.
func (q *subscriberQueue) Notify(n engine.Notice) { q.later(func() { q.to.Notify(n) }) }

// Erased implements engine.Subscriber.
func (q *subscriberQueue) Erased(user string, at time.Time) {
	q.later(func() { q.to.Erased(user, at) })
}

// Members implements engine.Subscriber.
func (q *subscriberQueue) Members(limit int) ([]engine.Author, int) { return q.to.Members(limit) }

// Count implements engine.Subscriber.
func (q *subscriberQueue) Count(named func(string)) (clients, users int) { return q.to.Count(named) }

// Deliver implements engine.Subscriber.
func (q *subscriberQueue) Deliver(p engine.Publication) {
	p.Data = bytes.Clone(p.Data)
	times := 1
	if q.l.Fault != nil {
		times = q.l.Fault(&p)
	}
	for range times {
		q.later(func() { q.to.Deliver(p) })
	}
}
