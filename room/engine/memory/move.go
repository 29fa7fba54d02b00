package memory

import (
	"context"
	"fmt"
	"time"

	"webim/netpoll/snapshot"
	"webim/room/budget"
	"webim/room/engine"
	"webim/room/engine/entries"
	"webim/room/engine/window"
)

// Freeze implements engine.Movable. The engine does nothing by itself, so it has nothing to stop. Publications and changes that come
// nevertheless, until Thaw, get engine.ErrUnavailable.
func (m *Engine) Freeze(context.Context) error {
	m.frozen.Store(true)
	return nil
}

// Thaw implements engine.Movable.
func (m *Engine) Thaw() error {
	m.frozen.Store(false)
	return nil
}

// Release implements engine.Movable.
func (m *Engine) Release() {}

// refuses returns the error for publications and changes: that of an engine that is frozen, or nil.
func (m *Engine) refuses() error {
	if m.frozen.Load() {
		return engine.ErrUnavailable
	}
	return nil
}

// Export implements engine.Movable.
func (m *Engine) Export(e *snapshot.Encoder) {
	m.mu.Lock()
	e.String(1, m.epoch)
	now := m.clock(m.now())
	for t := range m.topics.Each() {
		if t.touched == notRecent {
			e.Message(2, func(e *snapshot.Encoder) { t.export(e, now) })
		}
	}
	for t := m.recent.oldest; t != nil; t = t.newer {
		e.Message(2, func(e *snapshot.Encoder) { t.export(e, now) })
	}
	m.mu.Unlock()
	m.keys.Export(e, 3)
	s := m.state
	s.mu.Lock()
	defer s.mu.Unlock()
	e.Uint(4, s.version)
	s.entries.Export(e, 5)
}

// export writes a topic down. The caller holds Engine.mu.
func (t *topic) export(e *snapshot.Encoder, now int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e.String(1, t.name)
	e.String(2, t.payer.String())
	if t.touched != notRecent {
		e.Bool(3, true)
		e.Int(4, t.touched-now)
	}
	keep := t.keep.Load()
	e.Uint(5, uint64(keep.Messages))
	e.Uint(6, uint64(keep.Bytes))
	e.Uint(7, uint64(keep.Age))
	e.Bool(8, t.epochKnown)
	e.Uint(9, t.offset)
	e.String(10, t.epoch)
	if t.journal != nil {
		e.Message(11, func(e *snapshot.Encoder) { t.journal.Export(e, now) })
	}
}

// Import implements engine.Movable. Then a topic without subscribers is forgotten as one that its last subscriber has
// left: a hub subscribes its rooms again.
func (m *Engine) Import(state []byte) error {
	d := snapshot.Decode(state)
	for field := d.Next(); field != 0; field = d.Next() {
		var err error
		switch field {
		case 1:
			m.epoch = d.String()
		case 2:
			err = m.importTopic(d.Message())
		case 3:
			err = m.keys.Import(d.Message())
		case 4:
			m.state.mu.Lock()
			m.state.version = d.Uint()
			m.state.mu.Unlock()
		case 5:
			err = m.state.importEntry(d.Message())
		}
		if err != nil {
			d.Fail(err)
		}
	}
	if d.Err() != nil {
		return fmt.Errorf("memory: the state of an engine: %w", d.Err())
	}
	return nil
}

func (s *state) importEntry(d *snapshot.Decoder) error {
	e, err := entries.Import(d)
	if err == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.entries.Apply(e)
	}
	return err
}

func (m *Engine) importTopic(d *snapshot.Decoder) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.clock(m.now())
	r, err := decodeTopic(d, now)
	switch {
	case err != nil:
		return err
	case r.topic.name == "" || m.topics.Get(r.topic.name) != nil:
		return fmt.Errorf("the topic %q is there twice, or has no name", r.topic.name)
	}
	t := r.topic
	t.keep.Store(m.retention(&r.keep))
	m.topics.Put(t)
	m.pool.Add(t.payer, topicCost)
	m.settle(t)
	if r.recent {
		m.recent.touch(t, now+r.touched)
	} else {
		m.recent.touch(t, now) // it had members, who may not come again
	}
	return nil
}

// record is a topic as it was written down.
type record struct {
	topic   *topic
	keep    engine.Retention
	recent  bool  // it had no members
	touched int64 // when a member was there last, in nanoseconds after the state was written down: 0 or less
}

// decodeTopic reads a topic. now is the time on the engine's clock.
func decodeTopic(d *snapshot.Decoder, now int64) (r record, err error) {
	r.topic = &topic{touched: notRecent}
	for field := d.Next(); field != 0; field = d.Next() {
		switch field {
		case 1:
			r.topic.name = d.String()
		case 2:
			r.topic.payer = budget.ParseOwner(d.String())
		case 3:
			r.recent = d.Bool()
		case 4:
			r.touched = d.Int()
		case 5:
			r.keep.Messages = int(min(d.Uint(), 1<<31))
		case 6:
			r.keep.Bytes = int(min(d.Uint(), 1<<40))
		case 7:
			r.keep.Age = time.Duration(d.Uint() &^ (1 << 63))
		case 8:
			r.topic.epochKnown = d.Bool()
		case 9:
			r.topic.offset = d.Uint()
		case 10:
			r.topic.epoch = d.String()
		case 11:
			r.topic.journal = new(window.Window)
			if err := r.topic.journal.Import(d.Bytes(), now); err != nil {
				return r, err
			}
		}
	}
	return r, d.Err()
}
