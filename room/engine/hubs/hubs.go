package hubs

import (
	"slices"
	"sync"

	"webim/room/engine"
)

// List is a list of nodes. The zero value is empty. All methods are safe for concurrent use.
type List struct {
	mu  sync.Mutex
	all []engine.Node // copied on write
}

// AddNode implements engine.Control.
func (l *List) AddNode(n engine.Node) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !slices.Contains(l.all, n) {
		l.all = append(slices.Clip(l.all), n)
	}
}

// RemoveNode implements engine.Control.
func (l *List) RemoveNode(n engine.Node) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = slices.DeleteFunc(slices.Clone(l.all), func(other engine.Node) bool { return other == n })
}

// All returns the nodes. The caller must not change the slice.
func (l *List) All() []engine.Node {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all
}
