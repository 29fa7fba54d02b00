package memory

import (
	"slices"

	"webim/room/engine"
)

// Erase implements engine.Eraser. The table of keys has the hashes of the user's last messages until they
// are too old.
func (m *Engine) Erase(user string, done func(error)) {
	if err := m.refuses(); err != nil {
		done(err)
		return
	}
	m.mu.Lock()
	all := slices.Collect(m.topics.Each())
	m.mu.Unlock()
	now := m.now()
	for _, t := range all {
		t.mu.Lock()
		if t.journal != nil && t.journal.Erase(user) {
			m.settle(t)
			for s := range t.subscribers() {
				s.Erased(user, now)
			}
		}
		t.mu.Unlock()
	}
	_, err := m.state.put(engine.Tombstone(user, now))
	done(err)
}
