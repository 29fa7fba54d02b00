package hooks

import (
	"context"
	"sync"

	"webim/room/backend"
)

// A Switch is a backend.Backend whose Hooks can be replaced while it is in use. Its methods are safe for concurrent
// use. The numbers of Stats begin again with each Replace.
type Switch struct {
	mu    sync.RWMutex // Replace waits for each Ask that has begun
	hooks *Hooks
}

// NewSwitch returns a Switch that passes everything to h.
func NewSwitch(h *Hooks) *Switch { return &Switch{hooks: h} }

// Replace passes everything to next from now on. It returns the Hooks that were used before, which the caller
// closes.
func (s *Switch) Replace(next *Hooks) (old *Hooks) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old, s.hooks = s.hooks, next
	return old
}

func (s *Switch) now() *Hooks {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.hooks
}

// Asks implements backend.Backend.
func (s *Switch) Asks(k backend.Hook, room string) bool { return s.now().Asks(k, room) }

// Ask implements backend.Backend. A request that a Hooks has begun ends there.
func (s *Switch) Ask(q backend.Request, done func(backend.Reply, error)) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	s.hooks.Ask(q, done)
}

// Disconnected implements backend.Backend.
func (s *Switch) Disconnected(d backend.DisconnectEvent) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	s.hooks.Disconnected(d)
}

// Headers implements backend.Backend.
func (s *Switch) Headers() []string { return s.now().Headers() }

// Stats returns the numbers of the Hooks in use.
func (s *Switch) Stats() Stats { return s.now().Stats() }

// Dropped returns how many notices the Hooks in use have dropped.
func (s *Switch) Dropped() int64 { return s.now().Dropped() }

// Close closes the Hooks in use, see Hooks.Close.
func (s *Switch) Close(ctx context.Context) { s.now().Close(ctx) }
