package logread

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go/jetstream"
)

// A server that says that there is no such message may be wrong: another server leads the stream, and this one has not noticed it
// yet, or it could not store the message because its disk is full. Where something is lost for good if that is believed, a proof
// comes first: the node stores a message of its own in the stream, the marker, and reads it back. A server that has the marker
// has everything that was acknowledged before it.
//
// A restore without keys leaves many keys missing, and each needs a proof, which takes three requests. So one proof of a stream
// is made at a time, and it serves all calls that have begun to wait for it before it began.

// ErrFull: the stream has no space for the marker. It is an ErrUnavailable.
var ErrFull = fmt.Errorf("%w: there is no space for a marker", ErrUnavailable)

// codesFull are the codes of the server that say so, of a stream, an account or a server.
var codesFull = []jetstream.ErrorCode{10023, 10047, 10077}

const ofMarkers = "=proof-"

// Marker returns a new subject for a marker. No name gives a subject with the same prefix that begins so: see package subject.
func Marker(prefix string) string { return prefix + ofMarkers + rand.Text()[:12] }

// MarkerOfFew is Marker, and returns one of 1,024 subjects. It is for a stream in which a message replaces an older one with its
// subject: markers that stay, because their node has ended, are then few. Two nodes hardly ever have the same: a marker of one
// would replace that of the other, whose proof would fail.
func MarkerOfFew(prefix string) string { return prefix + ofMarkers + rand.Text()[:2] }

// IsMarker reports whether Marker or MarkerOfFew with this prefix may have returned a subject.
func IsMarker(prefix, subject string) bool { return strings.HasPrefix(subject, prefix+ofMarkers) }

// Sure calls read. If that returns ErrNone, it proves that the server which answers has everything that was acknowledged before,
// and calls read again. marker is that of Prove.
func (l Leader) Sure(ctx context.Context, stream, marker string, read func() (Stored, error)) (Stored, error) {
	one, err := read()
	if !errors.Is(err, ErrNone) {
		return one, err
	}
	if err := l.Prove(ctx, stream, marker); err != nil {
		return Stored{}, err
	}
	if l.r.cfg.Sole != nil {
		return one, err // no other server answers
	}
	return read()
}

// prover makes the proofs of a stream. Their markers have one subject, so that one that stays can be found.
type prover struct {
	marker string
	turn   chan struct{} // has a value while a proof is made
	left   bool          // the marker is perhaps in the stream; owned by the turn
	next   *proof        // the one that has not begun; nil: nobody waits for one; guarded by Reader.mu
}

// proof is a proof for all calls that wait for it.
type proof struct {
	done  chan struct{} // closed when the rest is set
	err   error
	ended bool // the context of the call that made it has ended
}

// Prove returns nil if the server that answers has everything that was acknowledged before the call. The error is ErrUnavailable
// if that is not certain, and ErrFull if the stream has no space for the marker. marker is the subject of the marker, as Marker
// returns one; that of the first call for a stream counts.
func (l Leader) Prove(ctx context.Context, stream, marker string) error {
	if l.r.cfg.Sole != nil {
		if err := l.r.cfg.Sole(); err != nil {
			return fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		return nil
	}
	for {
		v, p, first := l.r.join(stream, marker)
		if first {
			p.err = l.makeProof(ctx, stream, v)
			p.ended = ctx.Err() != nil
			close(p.done)
			return p.err
		}
		select {
		case <-p.done:
			if p.err == nil || !p.ended {
				return p.err
			}
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ErrUnavailable, ctx.Err())
		}
	}
}

// join returns the next proof of a stream. first is true if the caller makes it.
func (r *Reader) join(stream, marker string) (v *prover, p *proof, first bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if v = r.provers[stream]; v == nil {
		v = &prover{marker: marker, turn: make(chan struct{}, 1)}
		r.provers[stream] = v
	}
	if first = v.next == nil; first {
		v.next = &proof{done: make(chan struct{})}
	}
	return v, v.next, first
}

// makeProof makes the next proof when it is its turn.
func (l Leader) makeProof(ctx context.Context, stream string, v *prover) (err error) {
	select {
	case v.turn <- struct{}{}:
		defer func() { <-v.turn }()
	case <-ctx.Done():
		err = fmt.Errorf("%w: %w", ErrUnavailable, ctx.Err())
	}
	l.r.mu.Lock()
	v.next = nil // whoever comes now waits for another one
	l.r.mu.Unlock()
	if err != nil {
		return err
	}
	if v.left {
		old, err := l.Last(ctx, stream, v.marker)
		if err == nil && old.Subject == v.marker {
			err = l.Unmark(ctx, stream, old.Seq)
		}
		if err != nil && !errors.Is(err, ErrNone) {
			return err
		}
	}
	v.left = true
	seq, err := l.Mark(ctx, stream, v.marker, nil)
	if err != nil {
		return err
	}
	one, err := l.At(ctx, stream, seq)
	if errors.Is(err, ErrNone) || err == nil && one.Subject != v.marker {
		return fmt.Errorf("%w: the server that answers for the stream %s does not have the marker %d", ErrUnavailable, stream, seq)
	}
	if err == nil {
		v.left = l.Unmark(ctx, stream, seq) != nil // then the next proof does it
	}
	return err
}

// Mark stores a marker at the end of a stream, and returns its sequence. Who has read it has read everything that was
// acknowledged before. value may be empty.
func (l Leader) Mark(ctx context.Context, stream, marker string, value []byte) (seq uint64, err error) {
	var stored struct {
		Stream string `json:"stream"`
		Seq    uint64 `json:"seq"`
	}
	if err := l.ask(ctx, marker, string(value), &stored); err != nil {
		return 0, fmt.Errorf("logread: storing the marker in the stream %s: %w", stream, err)
	}
	if stored.Stream != stream {
		return 0, fmt.Errorf("%w: the stream %q has stored the marker for %s", ErrUnavailable, stored.Stream, stream)
	}
	return stored.Seq, nil
}

// Unmark deletes a marker. It is no error if it is gone.
func (l Leader) Unmark(ctx context.Context, stream string, seq uint64) error {
	err := l.ask(ctx, "$JS.API.STREAM.MSG.DELETE."+stream, fmt.Sprintf(`{"seq":%d,"no_erase":true}`, seq), &struct{}{})
	if err == nil {
		return nil
	}
	if _, gone := l.At(ctx, stream, seq); errors.Is(gone, ErrNone) {
		return nil
	}
	return fmt.Errorf("logread: deleting the marker in the stream %s: %w", stream, err)
}
