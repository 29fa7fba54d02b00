package roomlog

import (
	"errors"
	"sync"

	"webim/room/engine"
	"webim/room/engine/jetstream/internal/envelope"
	"webim/room/engine/jetstream/internal/fault"
	"webim/room/engine/jetstream/internal/logread"
	"webim/room/engine/jetstream/internal/tally"
)

// A room keeps a number of messages, and events do not count. The server counts publications of both kinds,
// so this node counts the messages itself, in the rooms of which somebody reads the oldest pages.

// The limits of counting. In a room that keeps more messages, or has more events among them, events count as
// messages.
const (
	maxExact   = 4096   // messages that a room keeps
	maxCounted = 16_384 // publications that are read, the first time
	maxTallies = 4096   // rooms
)

// tallies has the counts of rooms. When there are too many, all are forgotten.
type tallies struct {
	mu  sync.Mutex
	all map[string]*roomTally
}

// roomTally is the count of a room.
type roomTally struct {
	mu     sync.Mutex // held while the log is read
	epoch  string
	counts *tally.Tally
}

func (s *tallies) of(stream, room string) *roomTally {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := stream + " " + room
	if s.all[key] == nil {
		if s.all == nil || len(s.all) >= maxTallies {
			s.all = map[string]*roomTally{}
		}
		s.all[key] = &roomTally{}
	}
	return s.all[key]
}

// cutMessages leaves out publications that the room does not keep because of its number of messages. The store has to
// count for that, which takes milliseconds.
func (s *Scan) cutMessages(keep *engine.Retention, newest bool) error {
	from, more := s.behind+1, 0
	if newest { // then more publications after the range do not matter, if all that are read have a place
		from, more = s.before, s.most
	}
	if from > s.top.Offset || s.top.Offset-from < uint64(max(0, keep.Messages-more)) {
		return nil // there are at most so many publications as there are offsets
	}
	n, err := s.count(from)
	if err != nil || n+more <= keep.Messages {
		return err
	}
	first, err := s.Edge(keep.Messages)
	if err == nil {
		s.behind = max(s.behind, first-1)
	}
	return err
}

// count counts the publications from an offset on.
func (s *Scan) count(from uint64) (int, error) {
	n, err := s.r.Messages.Count(s.r.ctx, s.class.Stream, s.subj, from)
	return n + s.r.Stubs.Count(s.class, s.room, from), fault.Of(err)
}

// Edge returns the offset from which the room keeps its messages.
func (s *Scan) Edge(messages int) (uint64, error) {
	if messages > maxExact {
		return s.offsetOf(messages)
	}
	t := s.r.tallies.of(s.class.Stream, s.room)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.counts == nil || t.epoch != s.Top.Epoch {
		from, err := s.offsetOf(maxCounted)
		if err != nil {
			return 0, err
		}
		t.epoch, t.counts = s.Top.Epoch, tally.From(from)
	}
	if err := t.counts.Extend(s.top.Offset, s.kindOf); err != nil {
		return 0, err
	}
	return t.counts.Edge(messages, s.kindOf)
}

// offsetOf returns the first offset after which there are at most n publications.
func (s *Scan) offsetOf(n int) (first uint64, err error) {
	low, high := s.cut+1, s.top.Offset+1
	for low < high {
		middle := low + (high-low)/2
		count, err := s.count(middle)
		if err != nil {
			return 0, err
		}
		if count <= n {
			high = middle
		} else {
			low = middle + 1
		}
	}
	return low, nil
}

// kindOf is the tally.Next of a room's log.
func (s *Scan) kindOf(offset uint64) (at uint64, isMessage bool, err error) {
	one, err := s.stored(offset)
	switch {
	case errors.Is(err, logread.ErrNone):
		return 0, false, tally.ErrNone
	case err != nil:
		return 0, false, fault.Of(err)
	}
	env, err := envelope.Decode(one.Data)
	return one.Seq, err == nil && env.CompactKey == "" && !env.Skip, nil
}
