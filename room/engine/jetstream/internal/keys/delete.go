package keys

import (
	"context"
	"fmt"

	"webim/room/engine"
	"webim/room/engine/jetstream/internal/seal"
)

// DeleteID deletes the key of a user that has this id: see seal.Store.
func (s *Store) DeleteID(user string, id uint64, done func(error)) {
	s.deleteIf(user, func(record []byte) bool {
		is, ok := seal.RecordID(record)
		return ok && is == id
	}, done)
}

// deleteIf deletes those keys of a user for which is reports true.
func (s *Store) deleteIf(user string, is func(record []byte) bool, done func(error)) {
	s.do(done, func(ctx context.Context) {
		for _, name := range s.subjects(user) {
			m, err := s.sure(ctx, name)
			if err == nil && m.Seq != 0 && is(m.Data) {
				err = s.erase(ctx, m.Seq)
			}
			if err != nil {
				done(err)
				return
			}
		}
		s.commit(nil, done) // also if there is none: another node may have deleted it just now
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
	m, err := s.found(s.leader.At(ctx, Stream, seq))
	if err == nil && m.Seq == seq {
		err = fmt.Errorf("%w: the server has refused to delete a message of the keys", engine.ErrUnavailable)
	}
	return err
}
