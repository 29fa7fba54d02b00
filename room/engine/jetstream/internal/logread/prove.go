package logread

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/nats-io/nats.go/jetstream"

	"webim/room/engine/jetstream/internal/codes"
	"webim/room/engine/jetstream/internal/subject"
)

// A server that says that there is no such message may be wrong: another server leads the stream, and this one has not noticed it
// yet, or it could not store the message because its disk is full. Where something is lost for good if that is believed, a proof
// comes first: the node stores a message of its own in the stream, the marker, and reads it back. A server that has the marker
// has everything that was acknowledged before it.
//
// A restore without keys leaves many keys missing, and each needs a proof, which takes three requests. So one proof of a stream
// is made at a time, and it serves all calls that have begun to wait for it before it began.
//
// A proof holds for the server that has answered it, at that time. A leader that stood still meanwhile, as a suspended machine, and
// goes on can answer a later request before it learns that it has been replaced.

// ErrFull: the stream has no space for the marker. It is an ErrUnavailable.
var ErrFull = fmt.Errorf("%w: there is no space for a marker", ErrUnavailable)

// Sure calls read. If that returns ErrNone, it proves that the server which answers has everything that was acknowledged before,
// and calls read again.
func (l Leader) Sure(ctx context.Context, stream string, m subject.Markers, read func() (Stored, error)) (Stored, error) {
	one, err := read()
	if !errors.Is(err, ErrNone) {
		return one, err
	}
	if err := l.Prove(ctx, stream, m); err != nil {
		return Stored{}, err
	}
	if l.r.cfg.Sole != nil {
		return one, err // no other server answers
	}
	return read()
}

// prover makes the proofs of a stream.
type prover struct {
	turn chan struct{} // has a value while a proof is made
	next *proof        // the one that has not begun; nil: nobody waits for one; guarded by Reader.mu

	// Owned by the turn:
	marker string   // their subject, so that one that stays can be found
	left   bool     // one is perhaps in the stream
	strays []uint64 // the sequences of others that are perhaps in the stream, with former subjects; at most maxStrays
}

// maxStrays is how many former markers a prover remembers. An older one stays in the stream until it is too old, or until a marker with
// its subject replaces it.
const maxStrays = 64

// proof is a proof for all calls that wait for it.
type proof struct {
	done  chan struct{} // closed when the rest is set
	seq   uint64        // of the marker
	err   error
	ended bool // the context of the call that made it has ended
}

// Prove returns nil if the server that answers has everything that was acknowledged before the call. The error is ErrUnavailable
// if that is not certain, and ErrFull if the stream has no space for the marker. The markers are the same in all calls for a stream.
func (l Leader) Prove(ctx context.Context, stream string, m subject.Markers) error {
	if l.r.cfg.Sole != nil {
		if err := l.r.cfg.Sole(); err != nil {
			return fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		return nil
	}
	_, err := l.prove(ctx, stream, m)
	return err
}

// Reach is Prove also for a stream without space, for which it makes the weaker proof: see Applied.
func (l Leader) Reach(ctx context.Context, stream string, m subject.Markers) error {
	err := l.Prove(ctx, stream, m)
	if errors.Is(err, ErrFull) {
		return l.Applied(ctx, stream)
	}
	return err
}

// End is Reach for a stream that several servers may have, and returns the last sequence of the stream: it is not below that of any message
// that was acknowledged before the call.
func (l Leader) End(ctx context.Context, stream string, m subject.Markers) (last uint64, err error) {
	return l.EndBefore(ctx, stream, func() (uint64, error) { return l.prove(ctx, stream, m) })
}

// EndBefore is End with a function that stores a marker, and returns its sequence.
func (l Leader) EndBefore(ctx context.Context, stream string, mark func() (uint64, error)) (last uint64, err error) {
	seq, err := mark()
	if err == nil {
		return seq - 1, nil
	}
	if errors.Is(err, ErrFull) {
		err = l.Applied(ctx, stream)
	}
	if err != nil {
		return 0, err
	}
	var info struct {
		State struct {
			LastSeq uint64 `json:"last_seq"`
		} `json:"state"`
		Cluster *struct {
			Leader string `json:"leader"`
		} `json:"cluster"`
	}
	err = l.ask(ctx, "$JS.API.STREAM.INFO."+stream, "", &info)
	if err == nil && info.Cluster != nil && info.Cluster.Leader == "" {
		err = fmt.Errorf("%w: the stream %s has no leader now", ErrUnavailable, stream) // any server has answered
	}
	return info.State.LastSeq, err
}

// prove makes a proof, or waits for one that another call makes, and returns the sequence of its marker.
func (l Leader) prove(ctx context.Context, stream string, m subject.Markers) (seq uint64, err error) {
	for {
		v, p, first := l.r.join(stream, m)
		if first {
			p.seq, p.err = l.makeProof(ctx, stream, m, v)
			p.ended = ctx.Err() != nil
			close(p.done)
			return p.seq, p.err
		}
		select {
		case <-p.done:
			if p.err == nil || !p.ended {
				return p.seq, p.err
			}
		case <-ctx.Done():
			return 0, fmt.Errorf("%w: %w", ErrUnavailable, ctx.Err())
		}
	}
}

// join returns the next proof of a stream. first is true if the caller makes it.
func (r *Reader) join(stream string, m subject.Markers) (v *prover, p *proof, first bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if v = r.provers[stream]; v == nil {
		v = &prover{marker: m.New(), turn: make(chan struct{}, 1)}
		r.provers[stream] = v
	}
	if first = v.next == nil; first {
		v.next = &proof{done: make(chan struct{})}
	}
	return v, v.next, first
}

// makeProof makes the next proof when it is its turn.
func (l Leader) makeProof(ctx context.Context, stream string, m subject.Markers, v *prover) (seq uint64, err error) {
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
		return 0, err
	}
	ctx = context.WithoutCancel(ctx) // a proof that has begun goes on if the caller gives up: otherwise its marker would stay
	if v.left {
		old, err := l.Last(ctx, stream, v.marker)
		if err == nil && old.Subject == v.marker {
			err = l.Unmark(ctx, stream, old.Seq)
		}
		if err != nil && !errors.Is(err, ErrNone) {
			return 0, err
		}
	}
	v.left = true
	if seq, err = l.Mark(ctx, stream, v.marker, nil); err != nil {
		return 0, err
	}
	one, err := l.At(ctx, stream, seq)
	if errors.Is(err, ErrNone) || err == nil && one.Subject != v.marker {
		if m.Few {
			v.renew(m, seq)
		}
		return 0, fmt.Errorf("%w: the server that answers for the stream %s does not have the marker %d", ErrUnavailable, stream, seq)
	}
	if err == nil {
		v.left = l.Unmark(ctx, stream, seq) != nil // then the next proof does it
		v.strays = slices.DeleteFunc(v.strays, func(seq uint64) bool { return l.unmarkStray(ctx, stream, m, seq) == nil })
	}
	return seq, err
}

// renew changes the subject of the markers: another node may have the same one, so that each would take the marker of the other. The
// last one, with this sequence, is perhaps still there.
func (v *prover) renew(m subject.Markers, seq uint64) {
	v.left, v.strays = false, append(v.strays[max(0, len(v.strays)+1-maxStrays):], seq)
	for was := v.marker; v.marker == was; v.marker = m.New() {
	}
}

// unmarkStray deletes a message if it is a marker. The stream may have been made anew since it was stored.
func (l Leader) unmarkStray(ctx context.Context, stream string, m subject.Markers, seq uint64) error {
	one, err := l.At(ctx, stream, seq)
	if errors.Is(err, ErrNone) || err == nil && !m.Has(one.Subject) {
		return nil
	}
	if err == nil {
		err = l.Unmark(ctx, stream, seq)
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

// Applied returns nil if the server that answers has done everything that was acknowledged before the call. That is for a stream without
// space, which takes no marker: it deletes the message with the sequence 0, which no stream has. A deletion goes through Raft, so the
// server that answers it leads the stream, and has come to everything before it. It is weaker than Prove: a server that has left out a
// message, because it could not store it, refuses the marker, whose sequence does not fit, and answers a deletion.
//
// To delete a sequence after the last one would do as well. But an older server takes its stream for damaged then, and fetches it anew.
func (l Leader) Applied(ctx context.Context, stream string) error {
	err := l.ask(ctx, "$JS.API.STREAM.MSG.DELETE."+stream, `{"seq":0,"no_erase":true}`, &struct{}{})
	var refused *jetstream.APIError
	if errors.As(err, &refused) && codes.IsAbsent(refused) {
		return nil
	}
	if err == nil {
		err = fmt.Errorf("%w: the server has deleted a message that is not there", ErrUnavailable)
	}
	return fmt.Errorf("logread: deleting nothing in the stream %s: %w", stream, err)
}
