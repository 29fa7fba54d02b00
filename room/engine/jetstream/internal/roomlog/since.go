package roomlog

import (
	"errors"
	"math"

	"webim/room/engine"
	"webim/room/engine/jetstream/internal/logread"
)

// Since returns the publications behind an offset, up to the last one. whole is true if the room keeps no older ones.
// It returns none if the log has no publication at that offset, so that its successor is not known, or too many after it.
func (l *Log) Since(behind, last uint64) (missed []engine.Publication, whole bool, err error) {
	s := &Scan{Log: l}
	from, whole, err := s.begin(behind)
	if err != nil {
		return nil, false, err
	}
	missed, err = s.after(from, last)
	return missed, whole, err
}

// noBegin says that it is not known which publication follows an offset.
const noBegin = math.MaxUint64

// begin returns the offset after which the publications behind an offset begin: the same, if the log has a
// publication there, or the one up to which the log has nothing. Then whole is true.
func (s *Scan) begin(behind uint64) (from uint64, whole bool, err error) {
	if behind > 0 {
		at, err := s.next(behind)
		if err == nil && at.Offset == behind {
			return behind, false, nil
		}
		if err != nil && !errors.Is(err, logread.ErrNone) {
			return 0, false, err
		}
	}
	gone, err := s.Expired()
	_, cut := s.epoch()
	if gone = max(gone, cut); behind > gone {
		return noBegin, false, err
	}
	return gone, true, err
}

// after returns the publications after an offset, up to the last one. It returns none if the log does not have that, or
// if there are more than a node holds of a room.
func (s *Scan) after(from, last uint64) (all []engine.Publication, err error) {
	bytes := 0
	for prev := from; prev < last; {
		at, err := s.next(prev + 1)
		if errors.Is(err, logread.ErrNone) {
			return nil, nil // the answer is from a server that is behind
		}
		if err != nil {
			return nil, err
		}
		if bytes += engine.Cost(&at.Publication); at.Offset > last || len(all) >= MaxRecent || bytes > maxRecentBytes {
			return nil, nil
		}
		at.Prev, prev = prev, at.Offset
		all = append(all, at.Publication)
	}
	return all, nil
}
