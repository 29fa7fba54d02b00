package keys

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// hdrGroup is the header of a key with the number of a group of payers.
const hdrGroup = "Webim-Group"

// maxGroups is the number of groups.
const maxGroups = 4096

// groups counts the keys of the groups of payers.
type groups struct {
	mu      sync.Mutex // innermost
	keys    [maxGroups]int
	counted uint64 // the sequence up to which the keys were counted
}

func (g *groups) forget() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.keys, g.counted = [maxGroups]int{}, 0
}

// Recount makes the next Count begin anew, because keys were removed. Until it has ended, payers may make a few keys more than
// their share.
func (s *Store) Recount() { s.groups.forget() }

// Mark returns the mark for a key that a payer makes: see Create. ok is false if the payers of that group have as many keys as
// they may.
func (s *Store) Mark(payer string) (mark string, ok bool) {
	// With the incarnation, nobody can choose an address that is in the group of another one.
	sum := sha256.Sum256([]byte(s.Incarnation() + " " + payer))
	group := binary.BigEndian.Uint16(sum[:]) % maxGroups
	s.groups.mu.Lock()
	defer s.groups.mu.Unlock()
	return strconv.Itoa(int(group)), s.groups.keys[group] < s.cfg.MaxShare
}

// countBatch is the number of keys that are asked for together, and countWait limits how long the server takes for them.
const (
	countBatch = 1000
	countWait  = 5 * time.Second
)

// Count counts the keys that have come since the last call. Calls must not overlap. It may wait, and ends early if stop reports
// true. The next call goes on, also after an error. An erased key counts until Recount, or the end of the process. stored is the
// number of keys in the store.
func (s *Store) Count(ctx context.Context, stop func() bool) (stored int, err error) {
	incarnation := s.Incarnation()
	info, err := s.stream.Info(ctx)
	if err != nil {
		return 0, fmt.Errorf("keys: counting: %w", err)
	}
	stored = int(info.State.Msgs)
	s.groups.mu.Lock()
	from := s.groups.counted
	s.groups.mu.Unlock()
	if info.State.LastSeq <= from {
		return stored, nil
	}
	c, err := s.js.CreateConsumer(ctx, Stream, jetstream.ConsumerConfig{Description: "webim: counting keys", HeadersOnly: true, MemoryStorage: true, Replicas: 1,
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: from + 1, AckPolicy: jetstream.AckNonePolicy, InactiveThreshold: time.Minute})
	if err != nil {
		return stored, fmt.Errorf("keys: counting: %w", err)
	}
	for left, n := int(c.CachedInfo().NumPending), 1; left > 0 && n > 0 && err == nil && ctx.Err() == nil && !stop(); left -= n {
		n, err = s.countSome(c, min(left, countBatch), incarnation)
	}
	if err = errors.Join(err, ctx.Err(), s.js.DeleteConsumer(ctx, Stream, c.CachedInfo().Name)); err != nil {
		return stored, fmt.Errorf("keys: counting: %w", err)
	}
	return stored, nil
}

// countSome counts the next keys that a consumer has, and returns their number, which is less than most if some have been erased
// meanwhile.
func (s *Store) countSome(c jetstream.Consumer, most int, incarnation string) (n int, err error) {
	batch, err := c.Fetch(most, jetstream.FetchMaxWait(countWait))
	if err != nil {
		return 0, err
	}
	g := &s.groups
	for m := range batch.Messages() {
		n++
		meta, err := m.Metadata()
		if err != nil {
			return n, err
		}
		group, err := strconv.ParseUint(m.Headers().Get(hdrGroup), 10, 16)
		g.mu.Lock()
		if s.Incarnation() == incarnation && meta.Sequence.Stream > g.counted {
			if g.counted = meta.Sequence.Stream; err == nil && group < maxGroups {
				g.keys[group]++
			}
		}
		g.mu.Unlock()
	}
	return n, batch.Error()
}
