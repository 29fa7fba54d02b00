package memory

import (
	"crypto/rand"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"webim/room/budget"
	"webim/room/engine"
	"webim/room/engine/hubs"
	"webim/room/engine/published"
	"webim/room/engine/window"
	"webim/room/internal/nametable"
)

// Engine implements engine.Engine and engine.Expirer inside one process. Several hubs may share
// it. All methods are safe for concurrent use.
type Engine struct {
	limits  Limits
	now     func() time.Time
	started time.Time       // when the engine's clock was zero
	pool    *budget.Pool    // bytes of topics and journals, by payer
	keys    *published.Keys // of messages published not long ago
	nodes   hubs.List
	*state  // implements engine.State

	frozen atomic.Bool // see Freeze; publications and changes look at it with the lock held under which Export reads

	mu     sync.Mutex
	topics nametable.Table[topic]
	recent recent
	young  time.Duration     // the smallest Retention.Age of any topic
	keep   *engine.Retention // the last Message.Keep: most rooms share a few values
	usual  *engine.Retention // for messages without Keep
	epoch  string            // for new topics; "": none yet
}

// topic is the record of a room. It takes 128 bytes while the room has no history.
type topic struct {
	name  string
	payer budget.Owner

	// Guarded by Engine.mu; keep may be read without it.
	older, newer *topic // in Engine.recent
	touched      int64  // on the engine's clock; notRecent: the topic is not in Engine.recent
	keep         atomic.Pointer[engine.Retention]

	mu         sync.Mutex
	dead       bool   // no longer in Engine.topics
	epochKnown bool   // somebody may know the epoch
	paid       uint32 // the cost of the journal that the payer was charged
	offset     uint64
	epoch      string
	journal    *window.Window       // the history; nil: there is none
	sub        engine.Subscriber    // nil: there is none
	others     *[]engine.Subscriber // further subscribers, if several hubs share the engine; nil: none
}

// New makes an engine. Somebody must call Expire about once a second; a room.Hub does.
func New(l Limits) *Engine {
	l = l.withDefaults()
	m := &Engine{limits: l, now: l.Now, started: l.Now(), pool: budget.NewPool(l.MaxTotal), topics: nametable.New(func(t *topic) string { return t.name }), young: l.MaxAge,
		usual: &engine.Retention{Messages: max(0, l.MaxMessages), Bytes: l.MaxBytes, Age: l.MaxAge}, keys: published.New(l.KeyWindow, l.MaxKeys)}
	m.keep = m.usual
	m.state = newState(l.MaxState, l.Now, m.refuses)
	return m
}

// clock converts a time to the engine's clock, in nanoseconds.
func (m *Engine) clock(now time.Time) int64 { return int64(now.Sub(m.started)) }

func newEpoch() string { return strings.Clone(rand.Text()[:8]) }

// nextEpoch returns the epoch for a new topic. Topics share an epoch until one of them is removed,
// so that no room gets an epoch twice. The caller holds m.mu.
func (m *Engine) nextEpoch() string {
	if m.epoch == "" {
		m.epoch = newEpoch()
	}
	return m.epoch
}

// retire ensures that no new topic gets this epoch. The caller holds m.mu.
func (m *Engine) retire(epoch string) {
	if m.epoch == epoch {
		m.epoch = ""
	}
}

// retention returns a copy of keep that nobody changes. The caller holds m.mu.
func (m *Engine) retention(keep *engine.Retention) *engine.Retention {
	if *m.keep != *keep {
		one := *keep
		m.keep = &one
		m.young = min(m.young, keep.Age)
	}
	return m.keep
}

// lock returns a room's topic, locked and marked as just used. If there is no topic, lock makes
// one, which the payer pays for.
func (m *Engine) lock(room string, payer budget.Owner, keep *engine.Retention, now int64) *topic {
	for {
		m.mu.Lock()
		t := m.topics.Get(room)
		if t == nil {
			t = &topic{name: room, epoch: m.nextEpoch(), payer: payer, touched: notRecent}
			t.keep.Store(m.usual)
			m.topics.Put(t)
			m.pool.Add(payer, topicCost)
		}
		if keep != nil && *t.keep.Load() != *keep {
			t.keep.Store(m.retention(keep))
		}
		m.recent.touch(t, now)
		m.mu.Unlock()
		t.mu.Lock()
		if !t.dead {
			return t
		}
		t.mu.Unlock()
	}
}

// Prompt implements engine.Prompt.
func (e *Engine) Prompt() {}

// Publish implements engine.Log.
func (m *Engine) Publish(room string, msg engine.Message, done func(engine.Position, error)) {
	now := m.now()
	t := m.lock(room, msg.Payer, msg.Keep, m.clock(now))
	if err := m.refuses(); err != nil {
		t.mu.Unlock()
		if done != nil {
			done(engine.Position{}, err)
		}
		return
	}
	if msg.Key != "" {
		if pos, known, err := m.keys.Find(room, msg, now); known {
			t.mu.Unlock()
			if done != nil {
				done(pos, err)
			}
			return
		}
	}
	p := engine.Publication{Message: msg, Offset: t.offset + 1, Prev: t.offset, Time: now}
	p.Original = nil // only the table of keys uses it
	t.offset = p.Offset
	more := m.remember(t, &p, m.clock(now))
	for s := range t.subscribers() {
		s.Deliver(p)
	}
	pos := engine.Position{Epoch: t.epoch, Offset: t.offset}
	if msg.Key != "" {
		m.keys.Add(room, msg, pos, now)
	}
	t.mu.Unlock()
	if (more || pos.Offset == 1) && m.pool.Over() { // a new topic has a cost, too
		m.shrink()
	}
	if done != nil {
		done(pos, nil)
	}
}

// remember appends a publication to the topic's journal, and forgets entries above the limits. It
// reports whether the journal costs more than before. The caller holds t.mu.
func (m *Engine) remember(t *topic, p *engine.Publication, now int64) (more bool) {
	keep := t.keep.Load()
	if keep.Messages <= 0 {
		m.forgetAll(t)
		return false
	}
	if t.journal == nil {
		t.journal = new(window.Window)
	}
	t.journal.Append(p, now)
	t.journal.Trim(keep, now)
	return m.settle(t)
}

// settle charges the payer of a topic for the change of the journal's cost, and drops a journal that
// is empty. It reports whether the cost has grown. The caller holds t.mu.
func (m *Engine) settle(t *topic) (more bool) {
	j := t.journal
	if j == nil {
		return false
	}
	cost := j.Cost()
	diff := cost - int64(t.paid)
	if diff != 0 {
		m.pool.Add(t.payer, diff)
		t.paid = uint32(cost)
	}
	if j.Len() == 0 {
		t.journal = nil
	}
	return diff > 0
}

// forgetAll empties the journal of a topic. The caller holds t.mu.
func (m *Engine) forgetAll(t *topic) {
	if t.journal != nil {
		t.journal.Forget()
		m.settle(t)
	}
}

// Known implements engine.Log.
func (m *Engine) Known(room string, msg engine.Message, done func(engine.Position, error)) {
	pos, _, err := m.keys.Find(room, msg, m.now())
	done(pos, err)
}

// Subscribe implements engine.Log.
func (m *Engine) Subscribe(room string, payer budget.Owner, s engine.Subscriber) {
	t := m.lock(room, payer, nil, m.clock(m.now()))
	if !t.hasSubscribers() {
		m.pool.Add(t.payer, -topicCost) // room.Config.MaxRooms limits the rooms with members
		t.sub = s
	} else {
		t.addOther(s)
	}
	s.Begin(engine.Position{Epoch: t.epoch, Offset: t.offset})
	t.mu.Unlock()
	if m.pool.Over() {
		m.shrink()
	}
}

// Unsubscribe implements engine.Log. If nothing was ever published in the room and nobody has read
// its history, nobody can know its epoch: then the topic is removed at once. Otherwise Expire
// removes it after its Retention.Age.
func (m *Engine) Unsubscribe(room string, s engine.Subscriber) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.topics.Get(room)
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	had := t.hasSubscribers()
	if t.unsubscribe(s); t.hasSubscribers() {
		return
	}
	if had {
		m.pool.Add(t.payer, topicCost)
	}
	if t.offset == 0 && !t.epochKnown {
		m.remove(t)
		return
	}
	m.recent.touch(t, m.clock(m.now()))
}

// Stats implements engine.Measured. Topics are those of rooms with members and without. Bytes is the
// cost of the topics without members, and of all journals.
func (m *Engine) Stats() engine.Stats {
	m.mu.Lock()
	defer m.mu.Unlock()
	return engine.Stats{Topics: m.topics.Len(), Bytes: m.pool.Used(), State: m.size(), KeysLost: m.keys.Lost()}
}
