package recent

import (
	"webim/room/engine"
	"webim/room/engine/jetstream/internal/roomlog"
	"webim/room/engine/window"
)

// Part is the newest part of a room's log. If Err is not nil, it could not be read.
type Part struct {
	Top engine.Position
	Err error

	window *window.Window // nil: no publications
	whole  bool           // it has all that the room keeps
}

// NewPart returns a part with the publications that were read of a room that keeps this much.
func (m *Memory) NewPart(top engine.Position, all []engine.Publication, whole bool, keep *engine.Retention) *Part {
	p := &Part{Top: top, window: new(window.Window), whole: whole}
	m.appendTo(p.window, all)
	p.window.Trim(roomlog.Recent(keep), m.clock())
	return p
}

// Part returns the publications as a part that is valid as long as they do not change.
func (p *Publications) Part(top engine.Position) *Part {
	return &Part{Top: top, window: p.window, whole: p.Whole}
}

// Copy returns the publications as a part.
func (p *Publications) Copy(top engine.Position) *Part {
	c := &Part{Top: top, window: new(window.Window), whole: p.Whole}
	p.Memory.appendTo(c.window, p.window.Read(everything))
	return c
}

// IsEmpty reports whether the part has no publications.
func (p *Part) IsEmpty() bool { return p.window == nil }

// Redact removes the data of publications.
func (p *Part) Redact(offsets []uint64) { p.window.Redact(offsets) }

// History returns an answer that the part covers.
func (p *Part) History(span engine.Span) engine.History {
	if p.window == nil {
		return engine.History{Top: p.Top}
	}
	return engine.History{Publications: p.window.Read(span), Top: p.Top}
}

// Covers reports whether the part is enough for an answer.
func (p *Part) Covers(span engine.Span) bool {
	if span.Limit == 0 || p.whole {
		return true
	}
	if p.window == nil {
		return span.Behind >= p.Top.Offset
	}
	floor, ok := p.window.Floor()
	switch {
	case !ok:
		return false
	case span.Behind >= floor:
		return true
	case span.Newest && span.Limit > 0:
		return len(p.window.Read(span)) >= span.Limit
	}
	return false
}

// Has reports whether a user has made one of the publications.
func (p *Part) Has(user string) bool { return p.window != nil && p.window.Has(user) }
