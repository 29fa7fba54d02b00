package keys

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"sync"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"webim/room/engine"
	"webim/room/engine/jetstream/internal/seal"
)

// A server that says that there is no key may be wrong: another server leads the stream, and this one has not noticed it yet, or
// it could not store the key because its disk is full. So such an answer is believed only after a proof: the node stores a message
// of its own in the stream, the marker, and reads it back. A server that has the marker has everything that was acknowledged
// before it. Then the node asks for the key again.

// markerPrefix begins the subjects of markers. No subject of a user begins so: see package subject.
const markerPrefix = "key.=proof-"

func newMarker() string { return markerPrefix + rand.Text()[:12] }

func isMarker(subject string) bool { return strings.HasPrefix(subject, markerPrefix) }

// unproven returns the error for a key that is perhaps there.
func unproven(why error) error {
	return fmt.Errorf("%w: %w: %w", engine.ErrUnavailable, seal.ErrUnproven, why)
}

// prover makes one proof at a time. A proof serves all requests that have begun to wait for it before it began.
type prover struct {
	turn   chan struct{} // has a value while a proof is made
	marker string        // the subject of the marker
	stored bool          // the marker is perhaps in the stream; owned by the turn

	mu   sync.Mutex // innermost
	next *proof     // the one that has not begun; nil: nobody waits for one
}

// proof is a proof for all requests that wait for it.
type proof struct {
	done chan struct{} // closed when err is set
	err  error
}

// prove returns nil if a proof was made that began after the call. It may wait.
func (s *Store) prove(ctx context.Context) error {
	if s.cfg.Sole {
		if s.cfg.Err == nil {
			return nil
		}
		if err := s.cfg.Err(); err != nil {
			return unproven(err)
		}
		return nil
	}
	v := &s.prover
	v.mu.Lock()
	p, first := v.next, v.next == nil
	if first {
		p = &proof{done: make(chan struct{})}
		v.next = p
	}
	v.mu.Unlock()
	if first {
		p.err = s.makeProof(ctx)
		close(p.done)
		return p.err
	}
	select {
	case <-p.done:
		return p.err
	case <-ctx.Done():
		return unproven(ctx.Err())
	}
}

// makeProof makes the next proof when it is its turn.
func (s *Store) makeProof(ctx context.Context) (err error) {
	v := &s.prover
	select {
	case v.turn <- struct{}{}:
		defer func() { <-v.turn }()
	case <-ctx.Done():
		err = unproven(ctx.Err())
	}
	v.mu.Lock()
	v.next = nil // whoever comes now waits for another one
	v.mu.Unlock()
	if err != nil {
		return err
	}
	if err := s.mark(ctx); err != nil {
		return unproven(err)
	}
	return nil
}

// mark stores the marker, reads it back, and deletes it.
func (s *Store) mark(ctx context.Context) error {
	v := &s.prover
	if v.stored {
		old, err := s.get(ctx, map[string]any{"last_by_subj": v.marker})
		if err == nil && old.Seq != 0 {
			err = s.unmark(ctx, old.Seq)
		}
		if err != nil {
			return err
		}
	}
	v.stored = true
	ack, err := s.js.PublishMsg(ctx, &nats.Msg{Subject: v.marker}, jetstream.WithRetryAttempts(0))
	if err != nil {
		return fmt.Errorf("keys: storing the marker: %w", err)
	}
	m, err := s.get(ctx, map[string]any{"seq": ack.Sequence})
	if err != nil {
		return err
	}
	if m.Seq != ack.Sequence || m.Subject != v.marker {
		return fmt.Errorf("keys: the server that answers does not have the marker %d", ack.Sequence)
	}
	_ = s.unmark(ctx, ack.Sequence) // otherwise the next proof does
	return nil
}

// unmark deletes the marker, so that the stream has only keys.
func (s *Store) unmark(ctx context.Context, seq uint64) error {
	err := s.stream.DeleteMsg(ctx, seq)
	if isRefused(err) {
		err = s.absent(ctx, seq)
	}
	s.prover.stored = err != nil
	if !s.prover.stored {
		return nil
	}
	return fmt.Errorf("keys: deleting the marker: %w", err)
}

// sure returns what newest does. If there is no key, that is proved.
func (s *Store) sure(ctx context.Context, name string) (record []byte, seq uint64, err error) {
	if record, seq, err = s.newest(ctx, name); err != nil || seq != 0 {
		return record, seq, err
	}
	if err = s.prove(ctx); err != nil {
		return nil, 0, err
	}
	if s.cfg.Sole {
		return nil, 0, nil
	}
	return s.newest(ctx, name)
}
