package roomlog

import (
	"errors"
	"time"

	"webim/room/engine"
	"webim/room/engine/jetstream/internal/codec"
	"webim/room/engine/jetstream/internal/fault"
	"webim/room/engine/jetstream/internal/logread"
)

// A Scan reads the publications of a room from the log, in a range of offsets.
//
// The store finds the next message of a subject in microseconds, and the one before in a millisecond. So
// a scan reads forwards, and each stored message names a publication some steps before it (Back), from
// which a scan that goes backwards begins. Back is a hint: publications between are found by reading.
type Scan struct {
	*Log
	Top engine.Position // of the newest publication
	top codec.Tip
	cut uint64 // the log has nothing up to this offset: it was removed, or has become too old

	behind, before uint64 // only publications between these offsets
	most, bytes    int    // limits of the result
	oldest         time.Time
	places         bool // include messages that skip the history
	messages       bool // most and bytes count only messages, not events
	isRecent       bool // the limits are all that the room keeps
	gaveUp         bool // the result ends because the scan has read too much
}

// Scan prepares to read the recent publications of the room before an offset: as many as the room keeps or a node
// holds. math.MaxUint64 means up to the newest one. The log has at least the publication at tip, if that is not zero.
func (l *Log) Scan(keep *engine.Retention, before uint64, tip codec.Tip) (*Scan, error) {
	s := &Scan{Log: l, places: true, messages: true, isRecent: IsRecent(keep)}
	epoch, cut := l.epoch()
	told, none, err := l.endOf(l.r.Messages)
	if err != nil {
		return nil, err
	}
	gone, err := l.Expired() // after the end: whatever becomes too old between the two is gone
	if err != nil {
		return nil, err
	}
	s.top = l.r.Known(l.room, epoch, told)
	if tip.Offset > s.top.Offset {
		s.top = tip // the room has no topic any more
	}
	if s.top.Offset > told.Offset {
		sure := uint64(0)
		if s.top, sure, err = l.sureEnd(s.top); err != nil {
			return nil, err
		}
		none = max(none, sure)
	}
	s.cut = max(cut, gone, none)
	s.behind = s.cut
	s.Top = engine.Position{Epoch: epoch, Offset: s.top.Offset}
	s.before = min(before, s.top.Offset+1)
	recent := Recent(keep)
	s.most, s.bytes = recent.Messages, recent.Bytes
	if keep.Age > 0 {
		s.oldest = l.r.Now().Add(-keep.Age)
	}
	return s, nil
}

// A found publication has the tip that it makes.
type found struct {
	engine.Publication
	at codec.Tip
}

// Recent returns the recent publications of the room before an offset, in the order of their offsets, and the position of the newest one:
// see Scan. whole is true if the room keeps no older ones.
func (l *Log) Recent(keep *engine.Retention, before uint64,
	tip codec.Tip) (top engine.Position, all []engine.Publication, whole bool, err error) {
	err = l.steady(func() error {
		s, err := l.Scan(keep, before, tip)
		if err != nil {
			return err
		}
		top, tip = s.Top, codec.Tip{} // in another epoch, the log may lack it
		all, whole, err = s.backwards()
		whole = whole || s.isRecent && !s.gaveUp
		return err
	})
	return top, all, whole, err
}

// backwards returns the newest publications of the range, in the order of their offsets. whole is true if
// it has found all that is in the range.
func (s *Scan) backwards() (all []engine.Publication, whole bool, err error) {
	if s.most <= 0 || s.before <= s.behind+1 {
		return nil, true, nil
	}
	got, err := s.newestBefore(s.before) // the newest first
	if err != nil || len(got) == 0 {
		return nil, err == nil, err
	}
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
func (s *Scan) full(got []found) bool {
	n, _ := s.fit(got)
	return n < len(got)
}

// How much a scan reads at most to find the messages between events, or those that it shows. If it gives up
// there, it has not found all that the room keeps.
const (
	MaxScan      = 2048    // publications
	maxScanBytes = 8 << 20 // of them
)

// fit returns how many of the publications, the newest first, fit into the result, and whether the range
// ends there. A message that is too large ends the recent publications, because they have no holes; of a page
// it is the only one.
func (s *Scan) fit(got []found) (n int, whole bool) {
	left, bytes, all := s.most, 0, 0
	for i := range got {
		p := &got[i].Publication
		if p.Offset <= s.behind || p.Time.Before(s.oldest) {
			return i, true
		}
		cost := engine.Cost(p)
		if all += cost; i >= max(MaxScan, 4*s.most) || all > maxScanBytes {
			s.gaveUp = true
			return i, false
		}
		if !s.shows(p) || !s.counts(p) {
			continue
		}
		if s.messages {
			cost -= engine.PartCost // as package window counts
		}
		left, bytes = left-1, bytes+cost
		if left < 0 || bytes > s.bytes && (s.messages || i > 0) {
			return i, false
		}
	}
	return len(got), false
}

func (s *Scan) shows(p *engine.Publication) bool { return s.places || !p.Skip }

// counts reports whether a publication counts for the limits of the result.
func (s *Scan) counts(p *engine.Publication) bool {
	return !s.messages || p.CompactKey == "" && !p.Skip
}

// result returns the publications that fit, in the order of their offsets. got has the newest first, and
// nothing is missing between them; if end is true, the log has none before them.
func (s *Scan) result(got []found, end bool) (all []engine.Publication, whole bool, err error) {
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

// newestBefore returns some of the newest publications before an offset, the newest first, and none if there are none.
func (s *Scan) newestBefore(before uint64) ([]found, error) {
	p, err := s.next(min(before, s.top.Offset))
	switch {
	case errors.Is(err, logread.ErrNone):
		return nil, nil
	case err != nil:
		return nil, err
	case p.Offset < before:
		return []found{p}, nil // the last one of the log
	}
	return s.segmentBefore(p)
}

// near is how many offsets before a publication are looked at first: in a room that has much of the log, its
// predecessors are there. It is also how many publications are read at once, which is more than Back goes back, because
// the publisher may have had some on the way.
const near = 3 * codec.Segment

// segmentBefore returns some publications before one, the newest first, and none if the log has none. They are near it;
// or between it and the one that Back names; or, if there is no such hint, in a range that grows until it has some. To
// ask for the newest one before an offset would make the server look at all messages between.
func (s *Scan) segmentBefore(p found) (older []found, err error) {
	hint := p.at.Back
	for span := uint64(near); ; span *= 4 {
		from := max(s.behind+1, p.Offset-min(p.Offset, span))
		if span > near && hint > 0 {
			from, hint, span = max(s.behind+1, min(from, hint)), 0, max(span, p.Offset-hint)
		}
		older, err = s.lastIn(from, p.Offset)
		if err != nil || len(older) > 0 || from == s.behind+1 {
			return older, err
		}
	}
}

// lastIn returns the last publications from an offset up to another one, the newest first: all, or some if they are many.
func (s *Scan) lastIn(from, before uint64) (last []found, err error) {
	for {
		all, whole, err := s.between(from, before, near)
		switch {
		case err != nil || whole && len(all) > 0:
			return all, err
		case whole:
			return last, nil
		}
		// There may be more: go on in the second half of the rest, if that has any.
		last = all
		newest := all[0].Offset
		from = newest + (before-newest)/2
		one, err := s.next(from)
		if err != nil && !errors.Is(err, logread.ErrNone) {
			return nil, err
		}
		if err != nil || one.Offset >= before {
			from = newest + 1
		}
	}
}

// forwards returns the oldest publications of the range.
func (s *Scan) forwards() (all []engine.Publication, err error) {
	prev, known, bytes := uint64(0), false, 0
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
		tooOld := one.Time.Before(s.oldest)
		if !known && !tooOld {
			if prev, err = s.predecessor(one); err != nil {
				return nil, err
			}
		}
		one.Prev, prev, known = prev, one.Offset, true
		if tooOld || !s.shows(&one.Publication) {
			continue
		}
		if bytes += engine.Cost(&one.Publication); bytes > s.bytes && len(all) > 0 {
			break
		}
		all = append(all, one.Publication)
	}
	return all, nil
}

// predecessor returns the offset of the publication before the first one of the range; 0: there is none. In most cases it is the
// one behind which the range begins.
func (s *Scan) predecessor(first found) (uint64, error) {
	if s.behind <= s.cut {
		return s.cut, nil
	}
	at, err := s.next(s.behind)
	if err != nil || at.Offset == s.behind {
		return at.Offset, err
	}
	whole := *s
	whole.behind = s.cut
	older, err := whole.segmentBefore(first)
	if err != nil || len(older) == 0 {
		return s.cut, err
	}
	return max(older[0].Offset, s.cut), nil
}

// open decodes a message that was read. It may wait for the author's key.
func (l *Log) open(one logread.Stored, err error) (found, error) {
	if err != nil {
		return found{}, fault.Of(err)
	}
	p, at, err := l.r.Codec.Decode(l.room, one.Seq, one.Data, true)
	if codec.IsDamaged(err) {
		l.r.Damaged(l.room, err)
		p, at, err = engine.Publication{Message: engine.Message{Skip: true}, Offset: one.Seq, Time: l.r.Now()}, codec.Tip{Offset: one.Seq}, nil
	}
	return found{p, at}, err
}
