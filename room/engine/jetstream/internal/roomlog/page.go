package roomlog

import (
	"math"
	"slices"

	"webim/room/engine"
	"webim/room/engine/jetstream/internal/codec"
)

// Page reads the part of a log that somebody asks for. It has at most 1,000 publications and 4 MiB.
func (l *Log) Page(part engine.Span, keep *engine.Retention) (h engine.History, err error) {
	err = l.steady(func() (err error) {
		h, err = l.page(part, keep)
		return err
	})
	return h, err
}

func (l *Log) page(part engine.Span, keep *engine.Retention) (h engine.History, err error) {
	before := part.Before
	if before == 0 {
		before = math.MaxUint64
	}
	s, err := l.Scan(keep, before, codec.Tip{})
	if err != nil {
		return h, err
	}
	h.Top = s.Top
	s.behind, s.places, s.messages = max(s.behind, part.Behind), part.Places, false
	s.most = maxPage
	if part.Limit >= 0 {
		s.most = min(part.Limit, maxPage)
	}
	s.bytes = maxPageBytes
	if part.Bytes > 0 {
		s.bytes = min(part.Bytes, maxPageBytes)
	}
	if err := s.cutMessages(keep, part.Newest); err != nil {
		return h, err
	}
	if !part.Newest {
		h.Publications, err = s.forwards()
		return h, err
	}
	h.Publications, _, err = s.backwards()
	slices.Reverse(h.Publications)
	return h, err
}
