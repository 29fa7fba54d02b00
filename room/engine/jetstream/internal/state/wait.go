package state

import (
	"cmp"
	"time"

	"webim/room/engine"
)

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
	ready := max(k.seen, s.ahead[w.key].seq) >= until.seq || until.err != nil && s.position >= until.seq
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
