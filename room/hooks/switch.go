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
	hooks  atomic.Pointer[inUse] // changes under mu
	old    sync.WaitGroup        // closes the Hooks that were replaced
	ctx    context.Context
	cancel context.CancelFunc
}

// inUse are the Hooks in use.
type inUse struct {
	*Hooks
	rest *Hooks // has the hooks that Hooks does not have; nil: there are none
}

// of returns the Hooks for a hook.
func (u *inUse) of(k backend.Hook) *Hooks {
	if u.rest != nil && !u.Handles(k) {
		return u.rest
	}
	return u.Hooks
}

// NewSwitch returns a Switch that passes everything to h. The Switch owns h and closes it.
func NewSwitch(h *Hooks) *Switch {
	s := &Switch{}
	s.hooks.Store(&inUse{Hooks: h})
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// Replace passes everything to next from now on, which the Switch then owns. Only the hooks that next does not have stay with the Hooks
// that were used before, until Finish, which must follow; a Replace with those Hooks in between takes the first one back. Requests that
// have begun end with the earlier Hooks, and so does the notice that is being sent. If next has a disconnect hook, it sends the
// notices that wait.
func (s *Switch) Replace(next *Hooks) (before *Hooks) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before = s.now().Hooks
	before.passNotices(next) // before any new notice
	s.hooks.Store(&inUse{next, before})
	return before
}

// Finish ends what Replace has left to the earlier Hooks. They send the notices that they still have. Finish does not wait for that;
// Close does.
func (s *Switch) Finish() {
	s.mu.Lock()
	now := s.now()
	s.hooks.Store(&inUse{Hooks: now.Hooks})
	s.mu.Unlock()
	s.old.Go(func() { now.rest.Close(s.ctx) })
}

func (s *Switch) now() *inUse { return s.hooks.Load() }

// Handles implements backend.Backend.
func (s *Switch) Handles(k backend.Hook) bool { return s.now().of(k).Handles(k) }

// Asks implements backend.Backend.
func (s *Switch) Asks(k backend.Hook, room string) bool { return s.now().of(k).Asks(k, room) }

// Ask implements backend.Backend. A request that a Hooks has begun ends there.
func (s *Switch) Ask(q backend.Request, done func(backend.Reply, error)) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	s.now().of(q.Hook).Ask(q, done)
}

// Disconnected implements backend.Backend.
func (s *Switch) Disconnected(d backend.DisconnectEvent) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	s.now().of(backend.HookDisconnect).Disconnected(d)
}

// Headers implements backend.Backend.
func (s *Switch) Headers() []string {
	now := s.now()
	if all := now.Headers(); all != nil || now.rest == nil {
		return all
	}
	return now.rest.Headers()
}

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
