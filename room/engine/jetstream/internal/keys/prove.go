package keys

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"webim/room/engine/jetstream/internal/logread"
	"webim/room/engine/jetstream/internal/seal"
)

// A text whose key is missing counts as erased for good. So an answer that there is no key is believed only after a proof: see
// logread.Leader.Prove.

// sure returns what newest does. If there is no key, that is proved.
func (s *Store) sure(ctx context.Context, name string) (m logread.Stored, err error) {
	if m, err = s.newest(ctx, name); err != nil || m.Seq != 0 {
		return m, err
	}
	if err = s.prove(ctx); err != nil || s.cfg.Sole != nil {
		return m, err
	}
	return s.newest(ctx, name)
}

// prove returns nil if the server that answers has all keys.
func (s *Store) prove(ctx context.Context) error {
	if err := s.leader.Prove(ctx, Stream, markers); err != nil {
		return fmt.Errorf("%w: %w", seal.ErrUnproven, fault(err))
	}
	return nil
}

// Prove calls done with nil if the server that answers has all keys, without those that were deleted before the call.
func (s *Store) Prove(done func(error)) {
	s.do(done, func(ctx context.Context) { done(s.prove(ctx)) })
}

// Doubt says that other nodes may have deleted keys, as unused ones or those of an erased user. Get then returns no key until there is
// a proof that the server which answers has deleted them, too: a deposed leader would bring them back, and texts would be sealed with
// them.
func (s *Store) Doubt() { s.doubts.Add(1) }

// settle makes the proof for all calls of Doubt, unless it was made. A full stream takes none, so logread.Leader.Applied is enough,
// until there is space: otherwise the users that have keys could not speak so long.
func (s *Store) settle(ctx context.Context) error {
	doubts := s.doubts.Load()
	if s.cfg.Sole != nil || s.settled.Load() >= doubts {
		return nil
	}
	err := s.prove(ctx)
	switch {
	case err == nil:
		raise(&s.settled, doubts)
	case errors.Is(err, logread.ErrFull) && s.deleted.Load() >= doubts:
		return nil
	case errors.Is(err, logread.ErrFull):
		if err = s.leader.Applied(ctx, Stream); err != nil {
			return fmt.Errorf("%w: %w", seal.ErrUnproven, fault(err))
		}
		raise(&s.deleted, doubts)
	}
	return err
}

// raise makes a number at least as high as another one.
func raise(n *atomic.Uint64, to uint64) {
	for was := n.Load(); was < to && !n.CompareAndSwap(was, to); was = n.Load() {
	}
}
