package state

import (
	"errors"
	"time"

	"webim/room/engine"
	"webim/room/engine/jetstream/internal/frames"
)

// The stream may bring a change late: its leader is being elected, or the server that feeds this copy is behind. So a node that
// has written an urgent entry (engine.Key.IsUrgent) also tells it to the others in a message, as soon as the store has
// confirmed it. The message names the sequence of the change in the stream. It counts until the copy has reached that sequence,
// because from then on the copy is as new as the message. So a message can neither undo a later change nor be in force beside
// the stream: the State decides.

// maxAhead is the number of entries that may be ahead. Above it, changes come only by the stream. trust is how long a change may
// be ahead that the leader of the stream does not know: then its message was wrong.
const (
	maxAhead = 4096
	trust    = 30 * time.Second
)

var errAhead = errors.New("state: another node has told a change that the stream does not have")

// Ahead takes a change that a node tells. While the node moves to another process, it does nothing.
func (s *Store) Ahead(c frames.Change) {
	if !s.calling.TryRLock() {
		return
	}
	defer s.calling.RUnlock()
	k, err := keyOf(c.Subject)
	var e engine.Entry
	if err == nil {
		e, err = decode(c.Data)
	}
	switch {
	case s.left || !k.IsUrgent() && err == nil:
	case err != nil:
		s.cfg.Log.Warn("an entry of the state that another node tells cannot be read", "sequence", c.Sequence, "err", err)
	default:
		e.Key, e.Version = k, c.Sequence
		for _, w := range s.goAhead(c.Incarnation, e) {
			w.end()
		}
	}
}

// goAhead applies a change, unless the copy has it, and returns the writes that are done by it.
func (s *Store) goAhead(incarnation string, e engine.Entry) (ready []waiter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	was := s.ahead[e.Key]
	if incarnation != s.incarnation || e.Version <= max(s.position, was.seq) || was.seq == 0 && len(s.ahead) >= maxAhead {
		return nil
	}
	s.ahead[e.Key] = ahead{e.Version, time.Now()}
	return s.applyLocked(e)
}

// isBehindLocked reports whether the copy has had a change of the stream, or a later one of the same entry, before the stream
// brings it.
func (s *Store) isBehindLocked(k engine.Key, seq uint64) bool {
	a, there := s.ahead[k]
	if !there || seq > a.seq {
		return false
	}
	if seq == a.seq {
		s.entries.Keep(k)
		delete(s.ahead, k)
	}
	return true
}

// keepAheadLocked makes entries.Reloaded keep the entries that are ahead of the stream.
func (s *Store) keepAheadLocked() {
	for k, a := range s.ahead {
		if a.seq > s.position {
			s.entries.Keep(k)
		}
	}
}

// endAheadLocked forgets the changes that the stream has brought, or replaced. It reports whether there was one that the
// leader of the stream, whose last message had this sequence when it was asked, does not know after a long time. That entry is
// removed; Load brings the one of the stream.
func (s *Store) endAheadLocked(last uint64, asked time.Time) (wrong bool) {
	for k, a := range s.ahead {
		switch {
		case a.seq <= s.position:
			delete(s.ahead, k)
		case a.seq > last && asked.Sub(a.came) > trust:
			wrong = true
			delete(s.ahead, k)
			s.entries.Remove(k, a.seq)
		}
	}
	return wrong
}

// told tells a change that this node has made, if it is urgent, to the others and to its own copy.
func (s *Store) told(w *write, seq uint64) {
	if !w.key.IsUrgent() {
		return
	}
	c := frames.Change{Incarnation: s.Incarnation(), Sequence: seq, Subject: w.subject, Data: w.data}
	s.cfg.Tell(c)
	s.Ahead(c)
}
