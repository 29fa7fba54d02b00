package kit

import (
	"slices"
	"sync"
)

// Members is a set that is read far more often than it changes. The zero value is ready to use. It is safe for concurrent use.
type Members[T comparable] struct {
	mu   sync.Mutex
	at   map[T]int
	list []T
	snap []T // a copy of list that readers share and nobody changes; nil after list has changed
}

// Add adds t, unless t is a member.
func (m *Members[T]) Add(t T) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.at[t]; ok {
		return
	}
	if m.at == nil {
		m.at = map[T]int{}
	}
	m.at[t] = len(m.list)
	m.list, m.snap = append(m.list, t), nil
}

// Remove removes t, if t is a member.
func (m *Members[T]) Remove(t T) {
	m.remove(t)
}

// remove is Remove, and returns the number of remaining members.
func (m *Members[T]) remove(t T) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	i, ok := m.at[t]
	if !ok {
		return len(m.list)
	}
	var zero T
	last := len(m.list) - 1
	m.list[i] = m.list[last]
	m.at[m.list[i]] = i
	m.list[last] = zero
	m.list, m.snap = m.list[:last], nil
	delete(m.at, t)
	return last
}

// Snapshot returns the current members, which the caller must not change. It does not lock the set while the caller iterates, because some
// libraries call back, and so call Remove, from inside a write.
func (m *Members[T]) Snapshot() []T {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.snap == nil {
		m.snap = slices.Clone(m.list)
	}
	return m.snap
}
