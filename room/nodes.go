package room

import (
	"errors"
	"slices"
	"sync"
)

// nodes are those of the memory engine.
type nodes struct {
	mu  sync.Mutex
	all []Node // never changed, but replaced
}

func (n *nodes) list() []Node {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.all
}

// Enlist implements Engine.
func (m *Memory) Enlist(n Node) {
	m.nodes.mu.Lock()
	defer m.nodes.mu.Unlock()
	if !slices.Contains(m.nodes.all, n) {
		m.nodes.all = append(slices.Clip(m.nodes.all), n)
	}
}

// Dismiss implements Engine.
func (m *Memory) Dismiss(n Node) {
	m.nodes.mu.Lock()
	defer m.nodes.mu.Unlock()
	m.nodes.all = slices.DeleteFunc(slices.Clone(m.nodes.all), func(other Node) bool { return other == n })
}

// Order implements Engine; done is called before it returns.
func (m *Memory) Order(o Order, done func(error)) {
	var errs []error
	for _, n := range m.nodes.list() {
		errs = append(errs, n.Ordered(o))
	}
	done(errors.Join(errs...))
}

// Survey implements Engine; done is called before it returns.
func (m *Memory) Survey(q Question, done func([]Census, error)) {
	var all []Census
	for _, n := range m.nodes.list() {
		all = append(all, n.Surveyed(q))
	}
	done(all, nil)
}
