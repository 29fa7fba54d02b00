package keyuse

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"webim/room/engine/jetstream/internal/logread"
	"webim/room/engine/jetstream/internal/subject"
)

// batch is the number of messages that are read together, and batchWait limits how long the server takes for them.
const (
	batch     = 64
	batchWait = 5 * time.Second
)

// Scan calls f with the id of the key of each sealed message in the stream of a class that has a sequence above after. upTo is
// the sequence up to which it has read. After each batch it calls rest with the time that the batch took, and ends with its
// error. Messages of a newer webim are noted in newer. It may wait.
func Scan(ctx context.Context, js jetstream.JetStream, leader logread.Leader, c subject.Class, after uint64, rest func(took time.Duration) error, f func(id uint64), newer *Newer) (upTo uint64, err error) {
	// It is not that of a proof, which would end before the reading does.
	end, err := leader.Mark(ctx, c.Stream, c.Markers().New(), nil)
	if err != nil {
		return 0, fmt.Errorf("keyuse: %w", err)
	}
	defer func() { _ = leader.Unmark(ctx, c.Stream, end) }() // otherwise it stays until it is too old
	if end <= after {
		return 0, fmt.Errorf("keyuse: the stream %s has lost messages: it has come to %d, and was read up to %d", c.Stream, end, after)
	}
	consumer, err := js.CreateConsumer(ctx, c.Stream, jetstream.ConsumerConfig{Description: "webim: looking for keys in use", MemoryStorage: true, Replicas: 1,
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: after + 1, AckPolicy: jetstream.AckNonePolicy, InactiveThreshold: time.Minute})
	if err != nil {
		return 0, fmt.Errorf("keyuse: reading %s: %w", c.Stream, err)
	}
	defer func() { _ = js.DeleteConsumer(ctx, c.Stream, consumer.CachedInfo().Name) }() // otherwise it ends by itself
	at := reading{pending: consumer.CachedInfo().NumPending}
	for at.last < end {
		began := time.Now()
		if err = at.readSome(consumer, func(seq uint64, b []byte) { Read(c.Stream, seq, b, f, newer) }); err == nil {
			err = rest(time.Since(began))
		}
		if err != nil {
			return 0, fmt.Errorf("keyuse: reading %s: %w", c.Stream, err)
		}
	}
	return end, nil
}

// errNothing: the marker does not arrive.
var errNothing = errors.New("keyuse: the stream does not arrive")

// reading says how far a consumer was read.
type reading struct {
	last    uint64 // the sequence of the last message
	pending uint64 // messages that the server had after it
}

// readSome reads the next messages. The server answers only when it has as many as were asked for.
func (at *reading) readSome(c jetstream.Consumer, f func(seq uint64, message []byte)) error {
	all, err := c.Fetch(int(min(max(at.pending, 1), batch)), jetstream.FetchMaxWait(batchWait))
	if err != nil {
		return err
	}
	was := at.last
	for m := range all.Messages() {
		meta, err := m.Metadata()
		if err != nil {
			return err
		}
		at.last, at.pending = meta.Sequence.Stream, meta.NumPending
		f(at.last, m.Data())
	}
	if at.last == was {
		return errors.Join(errNothing, all.Error())
	}
	return nil
}
