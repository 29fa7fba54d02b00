package state

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"webim/room/engine"
)

// consumerTries is how often Load asks for a consumer. The library waits 5 s for each answer.
const consumerTries = 4

// How long the server keeps a consumer that nobody reads, how often it shows that it is alive, and how
// long Load waits for the next message.
const (
	consumerTTL = time.Minute
	heartbeat   = 2 * time.Second
	stall       = 15 * time.Second
)

// Load reads the whole stream, whose incarnation the caller knows, into the copy, removes what the stream
// does not have, and then follows the stream. It returns when the copy is whole. If the incarnation is
// another than before, the versions have no order in common, so first all entries are removed. The copy is not whole before the
// stream has brought the sequence need: the server that reads for the consumer may be behind the others.
func (s *Store) Load(ctx context.Context, incarnation string, need uint64) error {
	s.loading.Lock()
	defer s.loading.Unlock()
	s.endFeed()
	consumer, err := s.makeConsumer(ctx)
	if err != nil {
		return err
	}
	f := &feed{s: s, name: consumer.CachedInfo().Name, need: need, loaded: make(chan struct{}), failed: make(chan error, 1)}
	s.mu.Lock()
	if s.incarnation != incarnation {
		s.pending.renewed()
		s.proved = time.Time{}
		clear(s.ahead)
		s.entries.Reload()
		s.entries.Reloaded()
	}
	s.entries.Reload()
	s.feed, s.incarnation, s.position, s.current, s.proof = f, incarnation, 0, false, proof{}
	if consumer.CachedInfo().NumPending == 0 && need == 0 {
		f.wholeLocked()
	}
	s.mu.Unlock()
	f.consume, err = consumer.Consume(f.handle, jetstream.PullExpiry(5*heartbeat), jetstream.PullHeartbeat(heartbeat),
		jetstream.ConsumeErrHandler(func(_ jetstream.ConsumeContext, err error) { f.fail(err) }))
	if err != nil {
		return fmt.Errorf("state: reading the stream: %w", err)
	}
	if err := f.wait(ctx, consumer); err != nil {
		return err
	}
	s.pub.Back()
	return nil
}

// makeConsumer asks for a consumer. It asks again if a cluster does not answer in time, because it changes
// its leader; a consumer that was made without an answer ends by itself.
func (s *Store) makeConsumer(ctx context.Context) (c jetstream.Consumer, err error) {
	for range consumerTries {
		c, err = s.js.CreateConsumer(ctx, Stream, jetstream.ConsumerConfig{Description: "webim: a node's copy of the state",
			DeliverPolicy: jetstream.DeliverAllPolicy, AckPolicy: jetstream.AckNonePolicy, MemoryStorage: true, Replicas: 1, InactiveThreshold: consumerTTL})
		switch {
		case err == nil:
			return c, nil
		case ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded):
			return nil, fmt.Errorf("state: making a consumer: %w", err)
		}
	}
	return nil, fmt.Errorf("state: making a consumer: %w", err)
}

// wait waits until the copy is whole.
func (f *feed) wait(ctx context.Context, consumer jetstream.Consumer) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	at, since := uint64(0), time.Now()
	for {
		select {
		case <-f.loaded:
			return nil
		case err := <-f.failed:
			return err
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		now, whole := f.progress()
		switch {
		case whole:
		case now != at:
			at, since = now, time.Now()
		case time.Since(since) > stall:
			return errors.New("state: the stream does not arrive")
		default:
			// The last messages may have expired on the way.
			info, err := consumer.Info(ctx)
			if err != nil {
				return fmt.Errorf("state: asking for the consumer: %w", err)
			}
			switch {
			case info.NumPending > 0 || info.Delivered.Stream > now:
			case now < f.need && time.Since(since) > maxBehind:
				return errBehind
			case now >= f.need:
				f.s.mu.Lock()
				f.wholeLocked()
				f.s.mu.Unlock()
			}
		}
	}
}

func (f *feed) progress() (position uint64, whole bool) {
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	return f.s.position, f.whole
}

// wholeLocked says that the copy has all that the stream has. Store.mu is held.
func (f *feed) wholeLocked() {
	if f.whole || f.s.feed != f {
		return
	}
	f.whole = true
	f.s.current = true
	f.s.keepAheadLocked()
	f.s.entries.Reloaded()
	close(f.loaded)
}

// Unload ends the feed, and removes its consumer from the server, which otherwise takes 50 ms more to stop. The copy stays as it
// is until Load.
func (s *Store) Unload(ctx context.Context) error {
	if !s.loading.TryLock() {
		return nil // there will be none when the server has stopped
	}
	defer s.loading.Unlock()
	if f := s.endFeed(); f != nil {
		return s.js.DeleteConsumer(ctx, Stream, f.name)
	}
	return nil
}

// handle handles the next message of the stream.
func (f *feed) handle(m jetstream.Msg) {
	f.s.calling.RLock()
	defer f.s.calling.RUnlock()
	if f.s.left {
		return
	}
	meta, err := m.Metadata()
	if err != nil {
		f.fail(err)
		return
	}
	if f.last++; meta.Sequence.Consumer != f.last {
		f.fail(fmt.Errorf("state: the consumer sent message %d instead of %d", meta.Sequence.Consumer, f.last))
		return
	}
	for _, w := range f.apply(m, meta) {
		w.end()
	}
}

// apply applies a message to the copy, and returns the writes that are done by it.
func (f *feed) apply(m jetstream.Msg, meta *jetstream.MsgMetadata) (ready []waiter) {
	s, seq := f.s, meta.Sequence.Stream
	k, err := keyOf(m.Subject())
	var e engine.Entry
	if err == nil {
		e, err = decode(m.Data())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.broken || s.feed != f {
		return nil
	}
	s.position, s.current = seq, meta.NumPending == 0
	if err != nil {
		s.cfg.Log.Warn("an entry of the state cannot be read and is left out", "sequence", seq, "err", err)
	} else {
		e.Key, e.Version = k, seq
		if s.isBehindLocked(k, seq) {
			ready = s.pending.applied(k, seq)
		} else {
			if !f.whole && isExpired(&e, s.cfg.Now()) {
				e.Value = nil // what had expired before it was read has never been there
			}
			ready = s.applyLocked(e)
		}
	}
	if s.current && seq >= f.need {
		f.wholeLocked()
	}
	s.provedLocked()
	return ready
}
