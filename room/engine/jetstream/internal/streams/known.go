package streams

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// A store can lose messages that it has acknowledged: somebody restores a backup of it, a machine of a NATS server loses its
// power, or a stream is deleted. Then its sequences come again, with other messages. A node that was running
// meanwhile notices it, because it knows higher sequences: when it opens the stream again, or when the store gives
// a message a sequence that it has given before. It then gives the stream another incarnation, which the other nodes see when they
// look for it.
//
// A stream never gets a former incarnation again. So a server that tells one is behind, or another node has undone the renewal, because it
// has changed the configuration that such a server has told. The first passes by itself. If it does not, the stream gets a new incarnation.

// Known is the highest sequence that a node knows of in a stream, and the incarnations that the stream has had. The zero value knows none.
// All methods are safe for concurrent use.
type Known struct {
	renewed bool // the incarnation is not of the time before this process; owned by OpenKnown

	mu          sync.Mutex
	incarnation string // of the stream
	seq         uint64
	former      []string  // incarnations that are over, the latest of them last; at most maxFormer
	undone      time.Time // since when the stream seems to have a former one; zero: it does not
}

// maxFormer is how many former incarnations a node knows. A stream gets a new one only after an accident.
const maxFormer = 64

// undoneFor is how long a stream has to have a former incarnation until a node believes that the renewal was undone.
const undoneFor = 10 * time.Second

// See notes a sequence of an incarnation, which may be over.
func (k *Known) See(incarnation string, seq uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.incarnation == incarnation {
		k.seq = max(k.seq, seq)
	}
}

// Seen is a sequence of an incarnation.
type Seen struct {
	Incarnation string
	Seq         uint64
}

// Last returns the highest sequence of the incarnation that the stream had when it was last opened.
func (k *Known) Last() Seen {
	k.mu.Lock()
	defer k.mu.Unlock()
	return Seen{k.incarnation, k.seq}
}

// open notes the incarnation of the stream. With another one, the sequences begin again. It returns the highest
// sequence.
func (k *Known) open(incarnation string) uint64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.incarnation != incarnation {
		if k.incarnation != "" {
			k.former = append(k.former[max(0, len(k.former)+1-maxFormer):], k.incarnation)
		}
		k.incarnation, k.seq = incarnation, 0
	}
	return k.seq
}

// check is told of the incarnation that the stream seems to have now. undone is true if a renewal was undone, and the error is
// ErrStale if that is not certain yet.
func (k *Known) check(incarnation string, patience time.Duration) (undone bool, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case !slices.Contains(k.former, incarnation):
		k.undone = time.Time{}
		return false, nil
	case k.undone.IsZero():
		k.undone = time.Now()
	}
	if time.Since(k.undone) < patience {
		return false, fmt.Errorf("%w: it has a former incarnation", ErrStale)
	}
	return true, nil
}

// FindKnown is Find for a stream that was opened by OpenKnown. If it has another incarnation than then, it has to be opened again.
func (o *Opener) FindKnown(ctx context.Context, name string, k *Known) (s jetstream.Stream, err error) {
	if s, err = o.Find(ctx, name); err == nil {
		_, err = k.check(Incarnation(s), cmp.Or(o.undone, undoneFor))
	}
	return s, err
}

// An End returns the last sequence of a stream, which is not below that of any message that was acknowledged before. The server that tells
// the state of a stream may be behind the others: for a moment after it began to lead the stream, or for as long as it is cut off from
// them. So an End proves it: see package logread.
type End func(ctx context.Context) (last uint64, err error)

// OpenKnown finds or makes a stream whose sequences others know. Calls for the same stream must not overlap. The stream gets a new
// incarnation after an unclean end of the machine, because the last messages may be lost then, and their sequences
// come again; and if it has lost messages while this node was running: then lost is true, also after an error. end may be nil if
// only one server has the stream.
func (o *Opener) OpenKnown(ctx context.Context, want jetstream.StreamConfig, k *Known, end End) (s jetstream.Stream, lost bool, err error) {
	undone := false
	s, err = o.open(ctx, want, func(s jetstream.Stream) (err error) {
		undone, err = k.check(Incarnation(s), cmp.Or(o.undone, undoneFor))
		return err
	})
	if err == nil && undone {
		o.Log.Error("another node has given a former incarnation to the stream: rooms get a new epoch", "stream", want.Name)
	}
	if err == nil && (undone || Incarnation(s) == "" || o.Unclean && !k.renewed) {
		// Only the owner of an embedded store sets Unclean, so no other node does this at the same time.
		s, err = o.Renew(ctx, s)
	}
	if err == nil {
		s, lost, err = o.renewIfBack(ctx, s, k, end)
	}
	lost = lost || undone
	if err != nil {
		return nil, lost, err
	}
	k.renewed = true
	return s, lost, nil
}

// renewIfBack gives a stream another incarnation if it does not have a sequence that this node knows of.
func (o *Opener) renewIfBack(ctx context.Context, s jetstream.Stream, k *Known, end End) (now jetstream.Stream, lost bool, err error) {
	was := Incarnation(s)
	seq := k.open(was)
	if s.CachedInfo().State.LastSeq >= seq {
		return s, false, nil
	}
	last := s.CachedInfo().State.LastSeq
	if end != nil {
		if last, err = end(ctx); err != nil || last >= seq {
			return s, false, err
		}
	}
	if s, err = o.Find(ctx, s.CachedInfo().Config.Name); err != nil {
		return nil, false, err
	}
	if is := Incarnation(s); is != was { // another node was first
		k.open(is)
		return s, false, nil
	}
	o.Log.Error("the store has lost messages that it had acknowledged: rooms get a new epoch", "stream", s.CachedInfo().Config.Name, "last", last, "known", seq)
	if s, err = o.Renew(ctx, s); err != nil {
		return nil, true, err // the store may have made the change
	}
	k.open(Incarnation(s))
	return s, true, nil
}
