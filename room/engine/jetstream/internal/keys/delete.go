package keys

import (
	"context"
	"fmt"

	"webim/room/engine"
	"webim/room/engine/jetstream/internal/logread"
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
			if err := s.deleteKey(ctx, name, is); err != nil {
				done(err)
				return
			}
		}
		s.commit(nil, done) // also if there is none: another node may have deleted it just now
	})
}

// deleteKey deletes the key with a subject if is reports true for it. If the key is gone already, the answer that named it was perhaps an
// old one, and there is another key: so it reads again.
func (s *Store) deleteKey(ctx context.Context, name string, is func(record []byte) bool) error {
	for {
		m, err := s.sure(ctx, name)
		if err != nil || m.Seq == 0 || !is(m.Data) {
			return err
		}
		if gone, err := s.erase(ctx, m.Seq); err != nil || !gone {
			return err
		}
	}
}

// erase deletes a message securely. gone is true if it is proved that there is no message with this sequence any more.
func (s *Store) erase(ctx context.Context, seq uint64) (gone bool, err error) {
	if !s.nc.IsConnected() {
		return false, engine.ErrUnavailable
	}
	err = s.stream.SecureDeleteMsg(ctx, seq)
	if !isRefused(err) {
		return false, changeError(err)
	}
	// Another node was first, if the server that says so has everything.
	if err := s.prove(ctx); err != nil {
		return false, err
	}
	return true, s.absent(ctx, seq)
}

// absent returns an error if there is a message with this sequence, or may be.
func (s *Store) absent(ctx context.Context, seq uint64) error {
	m, err := s.found(func() (logread.Stored, error) { return s.leader.At(ctx, Stream, seq) })
	if err == nil && m.Seq == seq {
		err = fmt.Errorf("%w: the server has refused to delete a message of the keys", engine.ErrUnavailable)
	}
	return err
}
