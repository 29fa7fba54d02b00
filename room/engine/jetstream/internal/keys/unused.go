package keys

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"webim/room/engine/jetstream/internal/logread"
	"webim/room/engine/jetstream/internal/retire"
	"webim/room/engine/jetstream/internal/seal"
)

// List returns the keys in the stream, without the newest ones if a replica answers that lags behind. After each part it calls
// rest with the time that this took, and ends with its error. It may wait.
func (s *Store) List(ctx context.Context, rest func(took time.Duration) error) (all []retire.Ref, err error) {
	c, err := s.js.CreateConsumer(ctx, Stream, jetstream.ConsumerConfig{Description: "webim: looking for unused keys", MemoryStorage: true, Replicas: 1,
		DeliverPolicy: jetstream.DeliverAllPolicy, AckPolicy: jetstream.AckNonePolicy, InactiveThreshold: time.Minute})
	if err != nil {
		return nil, fmt.Errorf("keys: listing: %w", err)
	}
	defer func() { _ = s.js.DeleteConsumer(ctx, Stream, c.CachedInfo().Name) }() // otherwise it ends by itself
	for left, n := int(c.CachedInfo().NumPending), 1; left > 0 && n > 0 && err == nil; left -= n {
		began := time.Now()
		if n, err = listSome(c, min(left, countBatch), &all); err == nil {
			err = rest(time.Since(began))
		}
	}
	if err != nil {
		return nil, fmt.Errorf("keys: listing: %w", err)
	}
	return all, nil
}

// listSome adds the next keys that a consumer has, and returns how many messages it has read.
func listSome(c jetstream.Consumer, most int, all *[]retire.Ref) (n int, err error) {
	batch, err := c.Fetch(most, jetstream.FetchMaxWait(countWait))
	if err != nil {
		return 0, err
	}
	for m := range batch.Messages() {
		n++
		meta, err := m.Metadata()
		if err != nil {
			return n, err
		}
		if id, ok := seal.RecordID(m.Data()); ok && !markers.Has(m.Subject()) {
			*all = append(*all, retire.Ref{Seq: meta.Sequence.Stream, ID: id})
		}
	}
	return n, batch.Error()
}

// Remove deletes the message with a sequence, as Delete does, if it is the key with this id. removed is false if it is not. It
// may wait.
func (s *Store) Remove(ctx context.Context, k retire.Ref) (removed bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	m, err := s.found(func() (logread.Stored, error) { return s.leader.At(ctx, Stream, k.Seq) })
	if err != nil {
		return false, err
	}
	if id, ok := seal.RecordID(m.Data); !ok || id != k.ID || m.Seq != k.Seq {
		return false, nil // it was deleted, or the server that answers does not have it: then a later round finds it
	}
	_, err = s.erase(ctx, k.Seq)
	return true, err
}
