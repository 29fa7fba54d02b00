package room

import (
	"crypto/rand"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"webim/room/budget"
)

// Memory is the engine of a single process. Several hubs may share it.
type Memory struct {
	limits  Limits
	now     func() time.Time
	started time.Time    // the zero of the engine's clock
	pool    *budget.Pool // bytes remembered, by the payers of the topics
	keys    keys
	nodes   nodes
	*facts  // its State

	mu     sync.Mutex
	topics nameTable[topic]
	recent recent
	young  time.Duration // the least age of any topic
	keep   *Retention    // the last one that a message brought: most rooms share a few
	usual  *Retention    // of messages that bring none
	epoch  string        // of the topics that are made now; "": none yet
}

// topic is what the engine knows of a room. That of a room in which nothing is
// remembered takes 128 bytes.
type topic struct {
	name  string
	payer budget.Owner

	// Under Memory.mu; keep is read anywhere.
	older, newer *topic // in Memory.recent
	touched      int64  // on the engine's clock; notRecent: it is not in Memory.recent
	keep         atomic.Pointer[Retention]

	mu     sync.Mutex
	dead   bool // no longer in Memory.topics
	told   bool // somebody may know the epoch
	offset uint64
	epoch  string
	past   *journal      // nil: nothing is remembered
	sub    Subscriber    // nil: there is none
	others *[]Subscriber // besides sub, in a process with several hubs; nil: none
}

// NewMemory makes a memory engine. Expire must be called now and then.
func NewMemory(l Limits) *Memory {
	l = l.withDefaults()
	m := &Memory{limits: l, now: l.Now, started: l.Now(), pool: budget.NewPool(l.MaxTotal), topics: newNameTable(func(t *topic) string { return t.name }), young: l.MaxAge,
		usual: &Retention{max(0, l.MaxMessages), l.MaxBytes, l.MaxAge}, keys: newKeys(l.KeyWindow, l.MaxKeys)}
	m.keep = m.usual
	m.facts = newFacts(l.MaxState, l.Now)
	return m
}

// clock is the time on the engine's clock, in nanoseconds.
func (m *Memory) clock(now time.Time) int64 { return int64(now.Sub(m.started)) }

func newEpoch() string { return strings.Clone(rand.Text()[:8]) }

// nextEpoch is the epoch of a topic that is made now. Topics share one until one of them
// goes: no room gets an epoch twice. m.mu is held.
func (m *Memory) nextEpoch() string {
	if m.epoch == "" {
		m.epoch = newEpoch()
	}
	return m.epoch
}

// retire sees that no topic gets an epoch any more that one has had. m.mu is held.
func (m *Memory) retire(epoch string) {
	if m.epoch == epoch {
		m.epoch = ""
	}
}

// retention is a Retention that does not change. m.mu is held.
func (m *Memory) retention(keep *Retention) *Retention {
	if *m.keep != *keep {
		one := *keep
		m.keep = &one
		m.young = min(m.young, keep.Age)
	}
	return m.keep
}

// lock returns a room's topic, locked and marked as just used. If there is none it
// makes one, for which the payer pays.
func (m *Memory) lock(room string, payer budget.Owner, keep *Retention, now int64) *topic {
	for {
		m.mu.Lock()
		t := m.topics.get(room)
		if t == nil {
			t = &topic{name: room, epoch: m.nextEpoch(), payer: payer, touched: notRecent}
			t.keep.Store(m.usual)
			m.topics.put(t)
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

// Publish implements Engine; done is called before it returns.
func (m *Memory) Publish(room string, msg Message, done func(Position, error)) {
	now := m.now()
	t := m.lock(room, msg.Payer, msg.Keep, m.clock(now))
	if msg.Key != "" {
		if pos, known, err := m.keys.find(room, msg, now); known {
			t.mu.Unlock()
			if done != nil {
				done(pos, err)
			}
			return
		}
	}
	p := Publication{Message: msg, Offset: t.offset + 1, Prev: t.offset, Time: now}
	p.Said = nil // that is the sender's and the keys' only
	t.offset = p.Offset
	more := m.remember(t, &p, m.clock(now))
	for s := range t.subscribers() {
		s.Deliver(p)
	}
	pos := Position{t.epoch, t.offset}
	if msg.Key != "" {
		m.keys.add(room, msg, pos, now)
	}
	t.mu.Unlock()
	if (more || pos.Offset == 1) && m.pool.Over() { // a topic that is new costs, too
		m.shrink()
	}
	if done != nil {
		done(pos, nil)
	}
}

// remember puts a publication into the topic's journal, and forgets there what is over
// its bounds. It reports whether more is held than before. t.mu is held.
func (m *Memory) remember(t *topic, p *Publication, now int64) (more bool) {
	keep := t.keep.Load()
	if keep.Messages <= 0 || len(p.Data) > min(keep.Bytes, maxJournal) {
		// Too large to remember. What is older must go too: a history has no
		// holes, or a member could not tell what it missed.
		m.forgetAll(t)
		return false
	}
	if t.past == nil {
		t.past = new(journal)
	}
	if p.Skip {
		t.past.remember(&Publication{Message: Message{Skip: true}, Offset: p.Offset, Prev: p.Prev, Time: p.Time}, now)
	} else {
		t.past.remember(p, now)
	}
	t.past.trim(keep, now)
	return m.settle(t)
}

// settle has the payer of a topic pay for what its journal holds now, and lets go of a
// journal that is empty. It reports whether that is more than before. t.mu is held.
func (m *Memory) settle(t *topic) (more bool) {
	j := t.past
	if j == nil {
		return false
	}
	cost := j.cost()
	diff := cost - int64(j.paid)
	if diff != 0 {
		m.pool.Add(t.payer, diff)
		j.paid = uint32(cost)
	}
	if len(j.live()) == 0 {
		t.past = nil
	}
	return diff > 0
}

// forgetAll forgets all that is remembered of a topic. t.mu is held.
func (m *Memory) forgetAll(t *topic) {
	if t.past != nil {
		t.past.forget(len(t.past.live()))
		m.settle(t)
	}
}

// Known implements Engine; done is called before it returns.
func (m *Memory) Known(room string, msg Message, done func(Position, error)) {
	pos, _, err := m.keys.find(room, msg, m.now())
	done(pos, err)
}

// Subscribe implements Engine.
func (m *Memory) Subscribe(room string, payer budget.Owner, s Subscriber) {
	t := m.lock(room, payer, nil, m.clock(m.now()))
	if !t.hasSubscribers() {
		m.pool.Add(t.payer, -topicCost) // Config.MaxRooms bounds the rooms with members
		t.sub = s
	} else {
		t.addOther(s)
	}
	s.Begun(Position{t.epoch, t.offset})
	t.mu.Unlock()
	if m.pool.Over() {
		m.shrink()
	}
}

// Unsubscribe implements Engine. A room of which nobody can know anything, for
// nothing was ever published and no history asked for, is forgotten at once; any
// other MaxAge later.
func (m *Memory) Unsubscribe(room string, s Subscriber) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.topics.get(room)
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
	if t.offset == 0 && !t.told {
		m.remove(t)
		return
	}
	m.recent.touch(t, m.clock(m.now()))
}

// History implements Engine; done is called before it returns. Reading a room
// that does not exist makes none.
func (m *Memory) History(room string, part Span, done func(History, error)) {
	var h History
	if t := m.existing(room); t != nil {
		t.mu.Lock()
		t.told = true
		h.Top = Position{t.epoch, t.offset}
		if t.past != nil {
			t.past.trim(t.keep.Load(), m.clock(m.now()))
			h.Publications = t.past.read(part)
			m.settle(t)
		}
		t.mu.Unlock()
	}
	done(h, nil)
}

// existing is a room's topic, or nil.
func (m *Memory) existing(room string) *topic {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.topics.get(room)
}

// RemoveHistory implements Engine; done is called before it returns.
func (m *Memory) RemoveHistory(room string, done func(error)) {
	m.mu.Lock()
	t := m.topics.get(room)
	m.epoch = "" // or the room might get the one again that it loses
	m.mu.Unlock()
	if t != nil {
		t.mu.Lock()
		m.forgetAll(t)
		t.epoch = newEpoch()
		for s := range t.subscribers() {
			s.Begun(Position{t.epoch, t.offset})
		}
		t.mu.Unlock()
	}
	done(nil)
}

// Redact implements Engine; done is called before it returns.
func (m *Memory) Redact(room string, offsets []uint64, done func(error)) {
	if t := m.existing(room); t != nil {
		t.mu.Lock()
		if t.past != nil {
			t.past.redact(offsets)
			m.settle(t)
		}
		t.mu.Unlock()
	}
	done(nil)
}

// Notify implements Engine.
func (m *Memory) Notify(room string, n Notice) {
	for _, s := range m.subscribers(room) {
		s.Noticed(n)
	}
}

// Members implements Engine; done is called before it returns.
func (m *Memory) Members(room string, limit int, done func([]Author, error)) {
	var all []Author
	for _, s := range m.subscribers(room) {
		some, clients := s.Present(limit - len(all))
		if clients > limit-len(all) {
			done(nil, ErrTooManyMembers)
			return
		}
		all = append(all, some...)
	}
	done(all, nil)
}

// Count implements Engine; done is called before it returns. Only where several
// hubs share the engine users have to be told apart by their names.
func (m *Memory) Count(room string, done func(clients, users int, err error)) {
	subs := m.subscribers(room)
	if len(subs) == 1 {
		clients, users := subs[0].Count(nil)
		done(clients, users, nil)
		return
	}
	total, names := 0, map[string]bool{}
	for _, s := range subs {
		clients, _ := s.Count(func(user string) { names[user] = true })
		total += clients
	}
	done(total, len(names), nil)
}

// subscribers are those of a room now.
func (m *Memory) subscribers(room string) []Subscriber {
	t := m.existing(room)
	if t == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Collect(t.subscribers())
}

// MemoryStats is what the engine holds.
type MemoryStats struct {
	Topics int   // rooms that are remembered, with members or without
	Bytes  int64 // that they and their histories take, by count
	State  int64 // bytes that the entries of its State take, by count
}

// Stats reads the engine's size.
func (m *Memory) Stats() MemoryStats {
	m.mu.Lock()
	defer m.mu.Unlock()
	return MemoryStats{Topics: m.topics.len(), Bytes: m.pool.Used(), State: m.size()}
}
