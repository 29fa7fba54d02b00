package jetstream

import (
	"errors"
	"slices"
	"sort"
	"time"

	"webim/room/engine"
	"webim/room/engine/jetstream/internal/logread"
)

// A scan reads the publications of a room from the log, in a range of offsets. It may wait, so only jobs
// use it.
//
// The store finds the next message of a subject in microseconds, and the one before in a millisecond. So
// a scan reads forwards, and each stored message names a publication some steps before it (Back), from
// which a scan that goes backwards begins. Back is a hint: what lies between is found by reading it.
type scan struct {
	e     *Engine
	c     *class
	room  string
	subj  string
	epoch string
	top   tip
	cut   uint64 // the log has nothing up to this offset: it was removed, or has become too old

	behind, before uint64 // only publications between these offsets
	most, bytes    int    // limits of the result
	oldest         time.Time
	places         bool // include messages that skip the history
	messages       bool // most counts only messages, not events
}

// scan prepares to read the recent publications of a room: up to the newest one, as many as the room
// keeps or a node holds.
func (e *Engine) scan(room string, keep *engine.Retention) (*scan, error) {
	c := e.class(room)
	if err := e.ready(c); err != nil {
		return nil, err
	}
	s := &scan{e: e, c: c, room: room, subj: c.subject(room), places: true, messages: true}
	gone, err := e.expired(c, room)
	if err != nil {
		return nil, err
	}
	s.epoch, s.cut = e.epochOf(c, room)
	s.cut = max(s.cut, gone)
	s.behind = s.cut
	if s.top, err = e.lastOf(c, room); err != nil {
		return nil, err
	}
	s.before = s.top.offset + 1
	recent := recentOf(keep)
	s.most, s.bytes = recent.Messages, recent.Bytes
	if keep.Age > 0 {
		s.oldest = e.now().Add(-keep.Age)
	}
	return s, nil
}

// A found publication has the tip that it makes.
type found struct {
	engine.Publication
	at tip
}

// backwards returns the newest publications of the range, in the order of their offsets. whole is true if
// it has found all that is in the range.
func (s *scan) backwards() (all []engine.Publication, whole bool, err error) {
	if s.most <= 0 || s.before <= s.behind+1 {
		return nil, true, nil
	}
	one, err := s.atOrBefore(s.before - 1)
	if errors.Is(err, logread.ErrNone) {
		return nil, true, nil
	}
	if err != nil {
		return nil, false, err
	}
	got := []found{one} // the newest first
	for !s.full(got) {
		older, err := s.segmentBefore(got[len(got)-1])
		if err != nil {
			return nil, false, err
		}
		if len(older) == 0 {
			whole = true
			break
		}
		got = append(got, older...)
	}
	return s.result(got, whole)
}

// full reports whether publications, the newest first, are as many as the scan may return, or reach the
// beginning of the range. One more than that is needed: the predecessor of the oldest one.
func (s *scan) full(got []found) bool {
	n, _ := s.fit(got)
	return n < len(got)
}

// fit returns how many of the publications, the newest first, fit into the result, and whether the range
// ends there.
func (s *scan) fit(got []found) (n int, whole bool) {
	left, bytes := s.most, 0
	for i := range got {
		p := &got[i].Publication
		if p.Offset <= s.behind || p.Time.Before(s.oldest) {
			return i, true
		}
		if !s.shows(p) {
			continue
		}
		if bytes += engine.Cost(p); left <= 0 || bytes > s.bytes && i > 0 || i >= 4*s.most+64 {
			return i, false
		}
		if s.counts(p) {
			left--
		}
	}
	return len(got), false
}

func (s *scan) shows(p *engine.Publication) bool { return s.places || !p.Skip }

// counts reports whether a publication counts for the limit of their number. If only messages count, the
// number of events is limited by fit.
func (s *scan) counts(p *engine.Publication) bool {
	return !s.messages || p.CompactKey == "" && !p.Skip
}

// result returns the publications that fit, in the order of their offsets. got has the newest first, and
// nothing is missing between them; if end is true, the log has none before them.
func (s *scan) result(got []found, end bool) (all []engine.Publication, whole bool, err error) {
	n, whole := s.fit(got)
	whole = whole || end && n == len(got)
	for i := n - 1; i >= 0; i-- {
		p := got[i].Publication
		p.Prev = s.cut
		if i+1 < len(got) {
			p.Prev = max(got[i+1].Offset, s.cut)
		}
		if s.shows(&p) {
			all = append(all, p)
		}
	}
	return all, whole, nil
}

// near is how many offsets before a publication are looked at first: in a room that has much of the log, its
// predecessors are there.
const near = 128

// maxSegment is how many publications are read at once, if Back names one that is farther away than its
// publisher believed: it had many on the way.
const maxSegment = 2 * segment

// segmentBefore returns some publications before one, the newest first, and none if the log has none.
func (s *scan) segmentBefore(p found) (older []found, err error) {
	from := max(1, p.at.back, s.behind+1)
	if p.Offset > near {
		from = max(from, p.Offset-near)
	}
	if older, _, err = s.between(from, p.Offset, near); err != nil || len(older) > 0 {
		return older, err
	}
	for from = p.at.back; from > 0 && from < p.Offset; {
		all, whole, err := s.between(from, p.Offset, maxSegment)
		switch {
		case err != nil || whole && len(all) > 0:
			return all, err
		case whole:
			from = 0 // what Back named was removed
			continue
		}
		// There are too many: go on in the second half of what is left, if that has any.
		newest := all[0].Offset
		from = newest + (p.Offset-newest)/2
		one, err := s.next(from)
		if err != nil && !errors.Is(err, logread.ErrNone) {
			return nil, err
		}
		if err != nil || one.Offset >= p.Offset {
			from = newest + 1
		}
	}
	one, err := s.atOrBefore(p.Offset - 1) // there is no hint, or it is of no use
	if errors.Is(err, logread.ErrNone) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return []found{one}, nil
}

// between returns the publications from an offset up to another one, the newest first. whole is false if there
// are more than most: then it returns the oldest of them.
func (s *scan) between(from, before uint64, most int) (all []found, whole bool, err error) {
	for len(all) < most {
		one, err := s.next(from)
		if err != nil && !errors.Is(err, logread.ErrNone) {
			return nil, false, err
		}
		if err != nil || one.Offset >= before {
			slices.Reverse(all)
			return all, true, nil
		}
		all = append(all, one)
		from = one.Offset + 1
	}
	slices.Reverse(all)
	return all, from >= before, nil
}

// forwards returns the oldest publications of the range.
func (s *scan) forwards() (all []engine.Publication, err error) {
	prev, bytes := uint64(0), 0
	for seq := s.behind + 1; seq < s.before && len(all) < s.most; {
		one, err := s.next(seq)
		if errors.Is(err, logread.ErrNone) {
			break
		}
		if err != nil {
			return nil, err
		}
		if one.Offset >= s.before {
			break
		}
		seq = one.Offset + 1
		if one.Time.Before(s.oldest) {
			continue
		}
		if prev == 0 {
			if prev, err = s.predecessor(one.Offset); err != nil {
				return nil, err
			}
		}
		one.Prev, prev = prev, one.Offset
		if !s.shows(&one.Publication) {
			continue
		}
		if bytes += engine.Cost(&one.Publication); bytes > s.bytes && len(all) > 0 {
			break
		}
		all = append(all, one.Publication)
	}
	return all, nil
}

// predecessor returns the offset of the publication before one; 0: there is none.
func (s *scan) predecessor(offset uint64) (uint64, error) {
	one, err := s.e.atOrBefore(s.c, s.room, offset-1)
	if errors.Is(err, logread.ErrNone) {
		return s.cut, nil
	}
	return max(one.Seq, s.cut), s.e.outcome(err)
}

func (s *scan) next(seq uint64) (found, error) {
	return s.open(s.e.next(s.c, s.room, seq))
}

func (s *scan) atOrBefore(seq uint64) (found, error) {
	return s.open(s.e.atOrBefore(s.c, s.room, seq))
}

// open decodes a message that was read. It may wait for the author's key.
func (s *scan) open(one logread.Stored, err error) (found, error) {
	if err != nil {
		return found{}, s.e.outcome(err)
	}
	p, at, err := s.e.decode(s.room, one.Seq, one.Data, true)
	if isDamaged(err) {
		s.e.failed("a publication cannot be read and is left out", s.room, err)
		p, at, err = engine.Publication{Message: engine.Message{Skip: true}, Offset: one.Seq, Time: s.e.now()}, tip{offset: one.Seq}, nil
	}
	return found{p, at}, err
}

// cutMessages leaves out what the room does not keep because of its number of publications. The store has
// to count for that, which takes milliseconds.
func (s *scan) cutMessages(keep *engine.Retention, newest bool) error {
	count := func(from uint64) (int, error) {
		n, err := s.e.read.Count(s.e.ctx, s.c.stream, s.subj, from)
		return n + s.e.countStubs(s.c, s.room, from), s.e.outcome(err)
	}
	if newest {
		// There are at most so many publications after the range as there are offsets.
		if most := uint64(max(0, keep.Messages-s.most)); s.before > s.top.offset || s.top.offset-s.before < most {
			s.most = min(s.most, keep.Messages)
			return nil
		}
		after, err := count(s.before)
		s.most = min(s.most, keep.Messages-after)
		return err
	}
	n, err := count(s.behind + 1)
	if err != nil || n <= keep.Messages || s.before <= s.behind+1 {
		return err
	}
	first := sort.Search(int(s.before-s.behind-1), func(i int) bool {
		if err != nil {
			return true
		}
		n, err = count(s.behind + 1 + uint64(i))
		return n <= keep.Messages
	})
	s.behind += uint64(first)
	return err
}
