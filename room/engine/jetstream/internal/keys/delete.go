package keys

import (
	"context"
	"fmt"

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
	if !isRefused(err) {
		return changeError(err)
	}
	// Another node was first, if the server that says so has everything.
	if err := s.prove(ctx); err != nil {
		return err
	}
	return s.absent(ctx, seq)
}

// absent returns an error if there is a message with this sequence, or may be.
func (s *Store) absent(ctx context.Context, seq uint64) error {
	m, err := s.get(ctx, map[string]any{"seq": seq})
	if err == nil && m.Seq == seq {
		err = fmt.Errorf("%w: the server has refused to delete a message of the keys", engine.ErrUnavailable)
	}
	return err
}
