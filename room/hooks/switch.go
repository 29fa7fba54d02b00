package hooks

import (
	"context"
	"sync"
	"sync/atomic"

	"webim/room/backend"
)

// A Switch is a backend.Backend whose Hooks can be replaced while it is in use. Its methods are safe for concurrent
// use. The numbers of Stats begin again with each Replace.
type Switch struct {
	mu     sync.RWMutex          // Replace waits for each Ask that has begun
	hooks  atomic.Pointer[Hooks] // changes under mu
	old    sync.WaitGroup        // closes the Hooks that were replaced
	ctx    context.Context
	cancel context.CancelFunc
}

// NewSwitch returns a Switch that passes everything to h. The Switch owns h and closes it.
func NewSwitch(h *Hooks) *Switch {
	s := &Switch{}
	s.hooks.Store(h)
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// Replace passes everything to next from now on, which the Switch then owns. Requests that have begun end with the Hooks that were
// used before, and so does the notice that is being sent. If next has a disconnect hook, it sends the notices that wait; otherwise
// the earlier Hooks do. Replace does not wait for that; Close does.
func (s *Switch) Replace(next *Hooks) {
	s.mu.Lock()
	old := s.hooks.Swap(next)
	old.passNotices(next) // before any new notice
	s.mu.Unlock()
	s.old.Go(func() { old.Close(s.ctx) })
}

// Removes reports whether next has no URL for a hook that the Hooks in use have.
func (s *Switch) Removes(next *Hooks) bool {
	for k := range backend.NumHooks {
		if s.Handles(k) && !next.Handles(k) {
			return true
		}
	}
	return false
}

func (s *Switch) now() *Hooks { return s.hooks.Load() }

// Handles implements backend.Backend.
func (s *Switch) Handles(k backend.Hook) bool { return s.now().Handles(k) }

// Asks implements backend.Backend.
func (s *Switch) Asks(k backend.Hook, room string) bool { return s.now().Asks(k, room) }

// Ask implements backend.Backend. A request that a Hooks has begun ends there.
func (s *Switch) Ask(q backend.Request, done func(backend.Reply, error)) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	s.now().Ask(q, done)
}

// Disconnected implements backend.Backend.
func (s *Switch) Disconnected(d backend.DisconnectEvent) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	s.now().Disconnected(d)
}

// Headers implements backend.Backend.
func (s *Switch) Headers() []string { return s.now().Headers() }

// Stats returns the numbers of the Hooks in use.
func (s *Switch) Stats() Stats { return s.now().Stats() }

// Dropped returns how many notices the Hooks in use have dropped.
func (s *Switch) Dropped() int64 { return s.now().Dropped() }

// Close closes the Hooks in use and those that were replaced, see Hooks.Close.
func (s *Switch) Close(ctx context.Context) {
	stop := context.AfterFunc(ctx, s.cancel)
	s.now().Close(ctx)
	s.old.Wait()
	stop()
	s.cancel()
}
