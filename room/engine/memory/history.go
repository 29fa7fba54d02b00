package memory

import "webim/room/engine"

// History implements engine.Log. Reading the history of an unknown room makes no topic. If the room keeps less now than with its last
// message, the rest is forgotten first.
func (m *Engine) History(room string, part engine.Span, done func(engine.History, error)) {
	var h engine.History
	if t := m.existing(room); t != nil {
		m.setKeep(t, part.Keep)
		t.mu.Lock()
		t.epochKnown = true
		h.Top = engine.Position{Epoch: t.epoch, Offset: t.offset}
		if t.journal != nil {
			t.journal.Trim(t.keep.Load(), m.clock(m.now()))
			h.Publications = t.journal.Read(part)
			m.settle(t)
		}
		t.mu.Unlock()
	}
	done(h, nil)
}

// setKeep sets how much a topic keeps; nil changes nothing.
func (m *Engine) setKeep(t *topic, keep *engine.Retention) {
	if keep != nil && *t.keep.Load() != *keep {
		m.mu.Lock()
		t.keep.Store(m.retention(keep))
		m.mu.Unlock()
	}
}

// existing returns a room's topic, or nil.
func (m *Engine) existing(room string) *topic {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.topics.Get(room)
}

// RemoveHistory implements engine.Log.
func (m *Engine) RemoveHistory(room string, done func(error)) {
	if err := m.refuses(); err != nil {
		done(err)
		return
	}
	m.mu.Lock()
	t := m.topics.Get(room)
	m.epoch = "" // otherwise the room could get its old epoch again later
	m.mu.Unlock()
	if t != nil {
		t.mu.Lock()
		m.forgetAll(t)
		t.epoch = newEpoch()
		for s := range t.subscribers() {
			s.Begin(engine.Position{Epoch: t.epoch, Offset: t.offset})
		}
		t.mu.Unlock()
	}
	done(nil)
}

// Redact implements engine.Log.
func (m *Engine) Redact(room string, offsets []uint64, done func(error)) {
	if err := m.refuses(); err != nil {
		done(err)
		return
	}
	if t := m.existing(room); t != nil {
		t.mu.Lock()
		if t.journal != nil {
			t.journal.Redact(offsets)
			m.settle(t)
		}
		t.mu.Unlock()
	}
	done(nil)
}
