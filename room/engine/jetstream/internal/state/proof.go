package state

import (
	"errors"
	"time"
)

// A feed shows that its consumer lives, and not that the consumer has all: it may read from a server that is separated from
// the others. So the owner of a Store asks the leader of the stream for its last message every few seconds. When the copy has
// that message, it has everything that the stream had when the leader was asked.

// maxBehind is how long a feed may take to bring the last message of a proof. Then it ends, and Load makes another.
const maxBehind = 5 * time.Second

var errBehind = errors.New("state: the consumer does not bring what the leader of the stream has")

// Prove says that the leader of the stream had nothing after a sequence when it was asked, or later.
func (s *Store) Prove(seq uint64, asked time.Time) {
	s.mu.Lock()
	f := s.feed
	if f == nil || !f.whole || f.broken {
		s.mu.Unlock()
		return
	}
	if s.proof.at.IsZero() {
		s.proof = proof{seq, asked}
	}
	s.provedLocked()
	behind := !s.proof.at.IsZero() && asked.Sub(s.proof.at) > maxBehind
	wrong := s.endAheadLocked(seq, asked)
	s.mu.Unlock()
	switch {
	case wrong:
		f.fail(errAhead)
	case behind:
		f.fail(errBehind)
	}
}

// provedLocked notes that the copy has reached the proof. Store.mu is held.
func (s *Store) provedLocked() {
	if s.proof.at.IsZero() || s.position < s.proof.seq || s.feed == nil || !s.feed.whole {
		return
	}
	s.proved, s.proof = s.proof.at, proof{}
}

// Proved returns the latest time for which it is known that the copy had all entries of the stream; zero: it never had, or it
// was emptied since, because the stream was made anew.
func (s *Store) Proved() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.proved
}

// Follows reports whether a feed brings what is new in a stream of this incarnation. If not, Load is needed.
func (s *Store) Follows(incarnation string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.feed != nil && s.feed.whole && !s.feed.broken && s.incarnation == incarnation
}
