package room

import (
	"container/list"
	"crypto/rand"
	"slices"
	"sync"
	"time"

	"webim/room/budget"
)

// Memory is the engine of a single process. Several hubs may share it.
type Memory struct {
	limits Limits
	now    func() time.Time
	pool   *budget.Pool // bytes remembered, by the payers of the topics
	keys   keys
	nodes  nodes
	*facts // its State

	mu     sync.Mutex
	topics map[string]*topic
	recent *list.List    // of *topic, the one touched longest ago first
	young  time.Duration // the least age of any topic
}

// topic is what the engine knows of a room.
type topic struct {
	name  string
	epoch string
	payer budget.Owner

	// Under Memory.mu.
	place   *list.Element
	touched time.Time
	age     time.Duration // for which it is kept

	mu      sync.Mutex
	dead    bool // no longer in Memory.topics
	told    bool // somebody may know the epoch
	offset  uint64
	entries []Publication // oldest first
	keep    Retention
	kept    [numRetained]amount
	gone    int               // entries that are only places
	latest  map[string]uint64 // offsets of the events that are remembered, by CompactKey
	subs    []Subscriber
}

// NewMemory makes a memory engine. Expire must be called now and then.
func NewMemory(l Limits) *Memory {
	l = l.withDefaults()
	m := &Memory{limits: l, now: time.Now, pool: budget.NewPool(l.MaxTotal), topics: map[string]*topic{}, recent: list.New(), young: l.MaxAge,
		keys: newKeys(l.KeyWindow, l.MaxKeys)}
	m.facts = newFacts(l.MaxState, func() time.Time { return m.now() })
	return m
}

func newEpoch() string { return rand.Text()[:8] }

// lock returns a room's topic, locked and marked as just used. If there is none it
// makes one, for which the payer pays.
func (m *Memory) lock(room string, payer budget.Owner, keep *Retention) *topic {
	for {
		m.mu.Lock()
		t := m.topics[room]
		if t == nil {
			t = &topic{name: room, epoch: newEpoch(), payer: payer, age: m.limits.MaxAge,
				keep: Retention{max(0, m.limits.MaxMessages), m.limits.MaxBytes, m.limits.MaxAge}}
			m.topics[room] = t
			m.pool.Add(payer, topicCost)
		}
		t.touched = m.now()
		if keep != nil {
			t.age = keep.Age
			m.young = min(m.young, t.age)
		}
		if t.place == nil {
			t.place = m.recent.PushBack(t)
		} else {
			m.recent.MoveToBack(t.place)
		}
		m.mu.Unlock()
		t.mu.Lock()
		if !t.dead {
			if keep != nil {
				t.keep = *keep
			}
			return t
		}
		t.mu.Unlock()
	}
}

// Publish implements Engine; done is called before it returns.
func (m *Memory) Publish(room string, msg Message, done func(Position, error)) {
	t := m.lock(room, msg.Payer, msg.Keep)
	if msg.Key != "" {
		if pos, known, err := m.keys.find(room, msg, m.now()); known {
			t.mu.Unlock()
			if done != nil {
				done(pos, err)
			}
			return
		}
	}
	p := Publication{Message: msg, Offset: t.offset + 1, Prev: t.offset, Time: m.now()}
	p.Said = nil // that is the sender's and the keys' only
	t.offset = p.Offset
	entry := p
	if msg.Skip {
		entry.Message = Message{Skip: true}
	}
	if t.keep.Messages > 0 && len(entry.Data) <= t.keep.Bytes {
		entry.Data = slices.Clone(entry.Data)
		m.remember(t, entry)
	} else {
		// Too large to remember. What is older must go too: a history has no
		// holes, or a member could not tell what it missed.
		m.forget(t, len(t.entries))
	}
	m.trim(t)
	for _, s := range t.subs {
		s.Deliver(p)
	}
	pos := Position{t.epoch, t.offset}
	if msg.Key != "" {
		m.keys.add(room, msg, pos, m.now())
	}
	t.mu.Unlock()
	if m.pool.Over() {
		m.shrink()
	}
	if done != nil {
		done(pos, nil)
	}
}

// Known implements Engine; done is called before it returns.
func (m *Memory) Known(room string, msg Message, done func(Position, error)) {
	pos, _, err := m.keys.find(room, msg, m.now())
	done(pos, err)
}

// Subscribe implements Engine.
func (m *Memory) Subscribe(room string, payer budget.Owner, s Subscriber) {
	t := m.lock(room, payer, nil)
	if len(t.subs) == 0 {
		m.pool.Add(t.payer, -topicCost) // Config.MaxRooms bounds the rooms with members
	}
	t.subs = append(slices.Clip(t.subs), s)
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
	t := m.topics[room]
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	had := len(t.subs) > 0
	if i := slices.Index(t.subs, s); i >= 0 {
		t.subs = slices.Concat(t.subs[:i], t.subs[i+1:])
	}
	if len(t.subs) > 0 {
		return
	}
	t.subs = nil
	if had {
		m.pool.Add(t.payer, topicCost)
	}
	if t.offset == 0 && !t.told {
		m.remove(t)
		return
	}
	t.touched = m.now()
	if t.place == nil {
		t.place = m.recent.PushBack(t)
	} else {
		m.recent.MoveToBack(t.place)
	}
}

// History implements Engine; done is called before it returns. Reading a room
// that does not exist makes none.
func (m *Memory) History(room string, part Span, done func(History, error)) {
	m.mu.Lock()
	t := m.topics[room]
	m.mu.Unlock()
	var h History
	if t != nil {
		t.mu.Lock()
		m.trim(t)
		t.told = true
		h.Top = Position{t.epoch, t.offset}
		h.Publications = part.of(t.entries)
		t.mu.Unlock()
	}
	done(h, nil)
}

// RemoveHistory implements Engine; done is called before it returns.
func (m *Memory) RemoveHistory(room string, done func(error)) {
	m.mu.Lock()
	t := m.topics[room]
	m.mu.Unlock()
	if t != nil {
		t.mu.Lock()
		m.forget(t, len(t.entries))
		t.epoch = newEpoch()
		for _, s := range t.subs {
			s.Begun(Position{t.epoch, t.offset})
		}
		t.mu.Unlock()
	}
	done(nil)
}

// Redact implements Engine; done is called before it returns.
func (m *Memory) Redact(room string, offsets []uint64, done func(error)) {
	m.mu.Lock()
	t := m.topics[room]
	m.mu.Unlock()
	if t != nil {
		t.mu.Lock()
		m.redact(t, offsets)
		t.mu.Unlock()
	}
	done(nil)
}

// redact replaces entries, for others may hold the old slice's elements; t.mu is
// held.
func (m *Memory) redact(t *topic, offsets []uint64) {
	t.entries = slices.Clone(t.entries)
	for i := range t.entries {
		if p := &t.entries[i]; slices.Contains(offsets, p.Offset) && !p.Skip && p.Op != opGone {
			m.count(t, *p, -1)
			*p = p.redacted()
			m.count(t, *p, 1)
		}
	}
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

// subscribers are those of a room now; the slice is never changed.
func (m *Memory) subscribers(room string) []Subscriber {
	m.mu.Lock()
	t := m.topics[room]
	m.mu.Unlock()
	if t == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.subs
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
	return MemoryStats{Topics: len(m.topics), Bytes: m.pool.Used(), State: m.size()}
}
