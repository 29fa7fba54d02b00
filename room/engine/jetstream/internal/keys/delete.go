package keys

import (
	"context"

	"webim/room/engine"
	"webim/room/engine/jetstream/internal/seal"
)

// DeleteID deletes the key of a user if it has this id: see seal.Store.
func (s *Store) DeleteID(user string, id uint64, done func(error)) {
	s.do(done, func(ctx context.Context) {
		record, seq, err := s.sure(ctx, user)
		if is, ok := seal.RecordID(record); err == nil && ok && is == id {
			err = s.erase(ctx, seq)
		}
		s.commit(err, done)
	})
}

// erase deletes a message securely.
func (s *Store) erase(ctx context.Context, seq uint64) error {
	if !s.nc.IsConnected() {
		return engine.ErrUnavailable
	}
	err := s.stream.SecureDeleteMsg(ctx, seq)
	if isGone(err) {
		return nil // another node was first
	}
	return changeError(err)
}
