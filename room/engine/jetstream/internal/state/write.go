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

// A write is on its way to the store. It stands for several calls if they were coalesced.
type write struct {
	key      engine.Key
	subject  string
	version  uint64 // that the entry must have; or engine.AnyVersion
	expected uint64 // the sequence that the server compares; of a marker, if version is 0 and there is one
	tries    int    // how often the server was asked for a marker
	ttl      time.Duration
	data     []byte
	dones    []func(uint64, error)
}

// key is what the Store knows of a key with writes that are not done.
type key struct {
	calls   int    // that are not done
	seen    uint64 // sequence of the last message of the key that the feed has brought since then
	waiting []waiter
	busy    bool   // a write with engine.AnyVersion was sent and not answered
	next    *write // the one that is sent after it; nil: none
}

// A waiter is a write that the server has answered, and that is done when the copy has the message with
// this sequence, or a later one of the key.
type waiter struct {
	seq   uint64
	err   error // that the write gets then
	until time.Time
	dones []func(uint64, error)
}

// end calls the callbacks.
func (w *waiter) end() {
	seq := w.seq
	if w.err != nil {
		seq = 0
	}
	for _, done := range w.dones {
		done(seq, w.err)
	}
}

// How long the server keeps the marker of a removed entry, how much longer than its expiry it keeps an
// entry, and how long an answered write waits for the copy.
const (
	markerTTL = 10 * time.Minute
	spareTTL  = 5 * time.Second
	patience  = 30 * time.Second
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
	if err == nil && s.writes >= MaxWrites {
		err = engine.ErrUnavailable
	}
	if err != nil {
		s.mu.Unlock()
		w.dones[0](0, err)
		return
	}
	k := s.keys[w.key]
	if k == nil {
		k = &key{}
		s.keys[w.key] = k
	}
	s.writes++
	k.calls++
	if w.version == engine.AnyVersion {
		if k.busy {
			if k.next != nil {
				w.dones = append(k.next.dones, w.dones...)
			}
			k.next = w
			s.mu.Unlock()
			return
		}
		k.busy = true
	}
	s.mu.Unlock()
	s.send(w)
}

// send sends a write to the server.
func (s *Store) send(w *write) {
	h := nats.Header{}
	if w.version != engine.AnyVersion {
		h.Set(nats.ExpectedLastSubjSeqHdr, strconv.FormatUint(w.expected, 10))
	}
	if w.ttl > 0 {
		h.Set("Nats-TTL", strconv.FormatInt(int64((w.ttl+time.Second-1)/time.Second), 10))
	}
	s.pub.Publish(acks.Message{Subject: w.subject, Header: h, Data: w.data, Done: func(a acks.Ack, err error) { s.answered(w, a.Seq, err) }})
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
	one, err := s.read.Last(context.Background(), Stream, w.subject)
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

// wait ends a write when the copy has what the waiter names. Then it sends the write that waited for this
// one.
func (s *Store) wait(w *write, until waiter) {
	until.dones, until.until = w.dones, time.Now().Add(patience)
	s.mu.Lock()
	k := s.keys[w.key]
	var next *write
	if w.version == engine.AnyVersion {
		next, k.next = k.next, nil
		k.busy = next != nil
	}
	// Of a refusal, the copy may have had the reason before this write began.
	ready := k.seen >= until.seq || until.err != nil && s.position >= until.seq
	if ready {
		s.endedLocked(w.key, k, len(w.dones))
	} else {
		k.waiting = append(k.waiting, until)
	}
	s.mu.Unlock()
	if ready {
		until.end()
	}
	if next != nil {
		s.send(next)
	}
}

// appliedLocked says that the copy has a message of a key, and returns the writes that are done by it.
func (s *Store) appliedLocked(name engine.Key, seq uint64) (ready []waiter) {
	k := s.keys[name]
	if k == nil {
		return nil
	}
	k.seen = max(k.seen, seq)
	return s.takeLocked(name, k, nil, func(w *waiter) bool { return w.seq <= seq })
}

// takeLocked takes the waiters of a key for which is reports true, and appends them to all.
func (s *Store) takeLocked(name engine.Key, k *key, all []waiter, is func(*waiter) bool) []waiter {
	kept := k.waiting[:0]
	for i := range k.waiting {
		if w := k.waiting[i]; !is(&w) {
			kept = append(kept, w)
		} else {
			all = append(all, w)
			s.endedLocked(name, k, len(w.dones))
		}
	}
	clear(k.waiting[len(kept):])
	k.waiting = kept
	return all
}

// endedLocked says that so many calls for a key are done.
func (s *Store) endedLocked(name engine.Key, k *key, calls int) {
	s.writes -= calls
	if k.calls -= calls; k.calls == 0 {
		delete(s.keys, name)
	}
}

// endLate ends the writes that wait for the copy too long. Of those that the copy passed over, because
// their entries expired on the way, it knows better.
func (s *Store) endLate(now time.Time) {
	s.mu.Lock()
	var all []waiter
	for name, k := range s.keys {
		all = s.takeLocked(name, k, all, func(w *waiter) bool {
			if s.current && w.seq <= s.position {
				return true
			}
			if late := now.After(w.until); !late {
				return false
			}
			w.err = cmp.Or(w.err, engine.ErrUnknown)
			return true
		})
	}
	s.mu.Unlock()
	for i := range all {
		all[i].end()
	}
}

// Lost says that the connection was lost. Writes that were sent get engine.ErrUnknown, and the copy stays
// as it is until Load.
func (s *Store) Lost() {
	s.pub.Lost()
	s.mu.Lock()
	if f := s.feed; f != nil && !f.broken {
		f.broken = true
		f.failed <- engine.ErrUnavailable // for Load, if it runs
	}
	var all []waiter
	for name, k := range s.keys {
		all = s.takeLocked(name, k, all, func(*waiter) bool { return true })
	}
	s.mu.Unlock()
	for i := range all {
		all[i].err = cmp.Or(all[i].err, engine.ErrUnknown)
		all[i].end()
	}
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
