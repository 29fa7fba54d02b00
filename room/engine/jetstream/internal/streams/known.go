package streams

import (
	"context"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// A store can lose messages that it has acknowledged: somebody restores a backup of it, a machine of a NATS server loses its
// power, or a stream is deleted. Then its sequences come again, with other messages. A node that was running
// meanwhile notices it, because it knows higher sequences: when it opens the stream again, or when the store gives
// a message a sequence that it has given before. It then gives the stream another incarnation, which the other nodes see when they
// look for it.

// Known is the highest sequence that a node knows of in a stream. The zero value knows none. All methods are safe for
// concurrent use.
type Known struct {
	renewed bool // the incarnation is not of the time before this process; owned by OpenKnown

	mu          sync.Mutex
	incarnation string // of the stream
	seq         uint64
}

// See notes a sequence of the stream.
func (k *Known) See(seq uint64) {
	k.mu.Lock()
	k.seq = max(k.seq, seq)
	k.mu.Unlock()
}

// SeeIn is See for a sequence of an incarnation, which may be over.
func (k *Known) SeeIn(incarnation string, seq uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.incarnation == incarnation {
		k.seq = max(k.seq, seq)
	}
}

// Seq returns the highest sequence.
func (k *Known) Seq() uint64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.seq
}

// open notes the incarnation of the stream. With another one, the sequences begin again. It returns the highest
// sequence.
func (k *Known) open(incarnation string) uint64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.incarnation != incarnation {
		k.incarnation, k.seq = incarnation, 0
	}
	return k.seq
}

// A Mark stores a message of no effect in a stream, and returns its sequence, which is above those of all messages that were
// acknowledged before; 0: the stream has no space for it.
type Mark func(ctx context.Context) (seq uint64, err error)

// OpenKnown finds or makes a stream whose sequences others know. Calls for the same stream must not overlap. The stream gets a new
// incarnation after an unclean end of the machine, because the last messages may be lost then, and their sequences
// come again; and if it has lost messages while this node was running: then lost is true, also after an error. mark may be nil if
// only one server has the stream.
func (o *Opener) OpenKnown(ctx context.Context, want jetstream.StreamConfig, k *Known, mark Mark) (s jetstream.Stream, lost bool, err error) {
	s, err = o.Open(ctx, want)
	if err == nil && (Incarnation(s) == "" || o.Unclean && !k.renewed) {
		// Only the owner of an embedded store sets Unclean, so no other node does this at the same time.
		s, err = o.Renew(ctx, s)
	}
	if err == nil {
		s, lost, err = o.renewIfBack(ctx, s, k, mark)
	}
	if err != nil {
		return nil, lost, err
	}
	k.renewed = true
	return s, lost, nil
}

// renewIfBack gives a stream another incarnation if it does not have a sequence that this node knows of.
func (o *Opener) renewIfBack(ctx context.Context, s jetstream.Stream, k *Known, mark Mark) (now jetstream.Stream, lost bool, err error) {
	was := Incarnation(s)
	seq := k.open(was)
	if s.CachedInfo().State.LastSeq >= seq {
		return s, false, nil
	}
	last, err := o.end(ctx, s, mark)
	if err != nil || last >= seq {
		return s, false, err
	}
	if _, err := s.Info(ctx); err != nil || Incarnation(s) != was { // another node was first
		k.open(Incarnation(s))
		return s, false, err
	}
	o.Log.Error("the store has lost messages that it had acknowledged: rooms get a new epoch", "stream", s.CachedInfo().Config.Name, "last", last, "known", seq)
	if s, err = o.Renew(ctx, s); err != nil {
		return nil, true, err // the store may have made the change
	}
	k.open(Incarnation(s))
	return s, true, nil
}

// askAgain is how long end waits before it believes a server that may not have everything yet.
const askAgain = 2 * time.Second

// end returns the last sequence of a stream. The server that has told its state may be behind the others: for a moment after it began to
// lead the stream, or for as long as it is cut off from them. So what counts is the sequence before that of a new message. Only if a
// stream has no space, a server is believed that says the same after a while: otherwise the stream would not open.
func (o *Opener) end(ctx context.Context, s jetstream.Stream, mark Mark) (last uint64, err error) {
	if mark != nil {
		switch seq, err := mark(ctx); {
		case err != nil:
			return 0, err
		case seq > 0:
			return seq - 1, nil
		}
		select {
		case <-time.After(askAgain):
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
	info, err := s.Info(ctx)
	if err != nil {
		return 0, err
	}
	return info.State.LastSeq, nil
}
