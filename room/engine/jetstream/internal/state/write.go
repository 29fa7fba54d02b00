package state

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"webim/room/engine"
	"webim/room/engine/jetstream/internal/acks"
	"webim/room/engine/jetstream/internal/logread"
)

// How long the server keeps the marker of a removed entry, how much longer than its expiry it keeps an
// entry, and how long an answered write waits for the copy.
const (
	markerTTL = 10 * time.Minute
	spareTTL  = 5 * time.Second
	patience  = 30 * time.Second
)

// MaxWrites is the number of writes that are not done, and maxWriteBytes the bytes of those that were sent
// and not answered. Above these, a write gets engine.ErrUnavailable.
const (
	MaxWrites     = 16_384
	maxWriteBytes = 16 << 20
)

// maxTries is how often a write that makes an entry looks for a marker.
const maxTries = 4

// Put implements engine.State.
func (s *Store) Put(e engine.Entry, done func(version uint64, err error)) {
	now := s.cfg.Now()
	w := &write{key: e.Key, version: e.Version, data: encode(&e), dones: []func(uint64, error){done}}
	if !e.Expires.IsZero() {
		w.ttl = max(0, e.Expires.Sub(now)) + spareTTL
	}
	s.start(w, func() error {
		switch {
		case len(e.Value) == 0:
			return errEmpty
		case isOld(e.Version, s.entries.Get(e.Key, now)):
			return engine.ErrVersion
		}
		return s.entries.CheckSpace(e, now)
	})
}

// errNothing says that there is nothing to remove.
var errNothing = errors.New("state: there is no such entry")

// Delete implements engine.State.
func (s *Store) Delete(k engine.Key, version uint64, done func(error)) {
	now := s.cfg.Now()
	w := &write{key: k, version: version, ttl: markerTTL, data: encode(&engine.Entry{}), dones: []func(uint64, error){func(_ uint64, err error) {
		if err == errNothing {
			err = nil
		}
		done(err)
	}}}
	s.start(w, func() error {
		is := s.entries.Get(k, now)
		if isOld(version, is) {
			return engine.ErrVersion
		}
		if version == 0 {
			return errNothing
		}
		return nil
	})
}

// isOld reports whether a version is certainly not that of an entry any more. If it is not the version in
// the copy, the server decides.
func isOld(version uint64, is engine.Entry) bool {
	return version != engine.AnyVersion && version < is.Version
}

// start begins a write, unless check, which is called with Store.mu held, refuses it.
func (s *Store) start(w *write, check func() error) {
	w.subject, w.expected = subjectOf(w.key), w.version
	s.mu.Lock()
	err := check()
	if len(w.subject) > maxSubject {
		err = fmt.Errorf("%w: %d bytes in the store", errKeyLength, len(w.subject))
	}
	if err == nil && s.pending.calls >= MaxWrites {
		err = engine.ErrUnavailable
	}
	if err != nil {
		s.mu.Unlock()
		w.dones[0](0, err)
		return
	}
	send := s.pending.begin(w)
	s.mu.Unlock()
	if send {
		s.send(w)
	}
}

// send sends a write to the server.
func (s *Store) send(w *write) {
	s.mu.Lock()
	w.sentTo = s.incarnation
	s.mu.Unlock()
	h := nats.Header{}
	if w.version != engine.AnyVersion {
		h.Set(nats.ExpectedLastSubjSeqHdr, strconv.FormatUint(w.expected, 10))
	}
	if w.ttl > 0 {
		h.Set("Nats-TTL", strconv.FormatInt(int64((w.ttl+time.Second-1)/time.Second), 10))
	}
	s.pub.Publish(acks.Message{Subject: w.subject, Header: h, Data: w.data, Done: func(a acks.Ack, err error) { s.answered(w, a.Seq, err) }})
}

// wait ends a write when the copy has what the waiter names. Then it sends the write that waited for this
// one.
func (s *Store) wait(w *write, until waiter) {
	until.dones, until.until = w.dones, time.Now().Add(patience)
	s.mu.Lock()
	if w.sentTo != s.incarnation { // the sequence says nothing about another one
		until.seq, until.err = 0, cmp.Or(until.err, engine.ErrUnknown)
	}
	// Of a refusal, the copy may have had the reason before this write began.
	has := s.ahead[w.key].seq >= until.seq || until.err != nil && s.position >= until.seq
	ready, next := s.pending.answered(w, until, has)
	s.mu.Unlock()
	if ready {
		until.end()
	}
	if next != nil {
		s.send(next)
	}
}

// answered is called when the server has answered.
func (s *Store) answered(w *write, seq uint64, err error) {
	var refused *acks.Refusal
	switch {
	case err == nil:
		s.cfg.Commit(func(err error) {
			if err != nil {
				s.wait(w, waiter{err: fmt.Errorf("%w: %w", engine.ErrUnknown, err)})
				return
			}
			s.told(w, seq)
			s.wait(w, waiter{seq: seq})
		})
	case errors.As(err, &refused) && refused.IsWrongSequence() && w.version == 0:
		s.cfg.Go(func() { s.lookForMarker(w) })
	case errors.As(err, &refused) && refused.IsWrongSequence():
		s.wait(w, waiter{seq: lastSequence(refused), err: engine.ErrVersion})
	default:
		s.wait(w, waiter{err: outcome(err)})
	}
}

// lookForMarker sends a write again that makes an entry, if the server has refused it because the last
// message of the key is a marker or an expired entry. It may wait for the server.
func (s *Store) lookForMarker(w *write) {
	one, err := s.read.Leader().Last(context.Background(), Stream, w.subject)
	if err != nil && !errors.Is(err, logread.ErrNone) {
		s.wait(w, waiter{err: fmt.Errorf("%w: %w", engine.ErrUnavailable, err)})
		return
	}
	if err == nil {
		is, bad := decode(one.Data)
		if there := bad != nil || is.Value != nil && !isExpired(&is, s.cfg.Now()); there {
			s.wait(w, waiter{seq: one.Seq, err: engine.ErrVersion})
			return
		}
	}
	if w.tries++; w.tries >= maxTries { // others make and remove it all the time
		s.wait(w, waiter{err: engine.ErrVersion})
		return
	}
	w.expected = one.Seq
	s.send(w)
}

// lastSequence returns the sequence that a refusal names; 0: none.
func lastSequence(r *acks.Refusal) uint64 {
	seq, _ := strconv.ParseUint(r.Description[strings.LastIndexByte(r.Description, ' ')+1:], 10, 64)
	return seq
}

// outcome returns the error of package engine for an error of package acks.
func outcome(err error) error {
	var refused *acks.Refusal
	switch {
	case errors.Is(err, acks.ErrUnknown):
		return fmt.Errorf("%w: %w", engine.ErrUnknown, err)
	case errors.As(err, &refused) && refused.IsFull():
		return engine.ErrStateFull
	case errors.Is(err, acks.ErrUnavailable), errors.As(err, &refused):
		return fmt.Errorf("%w: %w", engine.ErrUnavailable, err)
	}
	return err
}
