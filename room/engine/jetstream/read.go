package jetstream

import (
	"slices"

	"webim/room/engine"
	"webim/room/engine/window"
)

// A history is read in one of three ways:
//
//   - From the recent publications of a topic, at once.
//   - If these begin too late, a job reads the log backwards, once for all who wait, until it has as much
//     as the room keeps or maxRecent publications. So the first recovery of a room reads the log, and
//     those after it do not.
//   - What is older is read from the log for each caller.

// The limits of what a node holds of a room, and of an answer that is read from the log.
const (
	maxRecent      = 256     // publications of each class: messages and events
	maxRecentBytes = 1 << 20 // of these
	maxPage        = 1000    // publications of an answer
	maxPageBytes   = 4 << 20 // of an answer
)

// History implements engine.Log. What is older than the recent publications is read in pages: a negative
// Limit means at most 1,000 publications then, and an answer has at most 4 MiB. Such a page may have
// events that a later event has superseded.
func (e *Engine) History(room string, part engine.Span, done func(engine.History, error)) {
	t := e.topic(room)
	if t == nil {
		e.history(room, nil, part, done)
		return
	}
	t.whenBegun(func(err error) {
		if err != nil {
			done(engine.History{}, err)
			return
		}
		e.history(room, t, part, done)
	})
}

// history answers for a room without a topic, or with one that has begun.
func (e *Engine) history(room string, t *topic, part engine.Span, done func(engine.History, error)) {
	keep := e.keepOf(room, part.Keep)
	if t != nil {
		if h, ok := t.history(part, keep); ok {
			done(h, nil)
			return
		}
	}
	if err := e.unavailable(); err != nil {
		done(engine.History{}, err)
		return
	}
	if part.Limit == 0 {
		e.jobs.Go(func() { done(e.topOf(room)) })
		return
	}
	if part.Newest && part.Before != 0 && !isRecent(keep) && (t == nil || t.isOlder(part.Before)) {
		e.jobs.Go(func() { done(e.page(room, part, keep)) }) // the recent publications are of no use for it
		return
	}
	// A closure for each caller, but one reading for all that wait at the same time.
	e.fills.do(room, e.jobs.Go, func() *filled { return e.fill(room, t, keep) }, func(f *filled) {
		switch {
		case f.err != nil:
			done(engine.History{}, f.err)
		case f.covers(part):
			done(engine.History{Publications: f.recent.Read(part), Top: f.top}, nil)
		default:
			e.jobs.Go(func() { done(e.page(room, part, keep)) })
		}
	})
}

// topOf reads only the end of a room's log.
func (e *Engine) topOf(room string) (h engine.History, err error) {
	c := e.class(room)
	if err := e.ready(c); err != nil {
		return h, err
	}
	epoch, _ := e.epochOf(c, room)
	at, err := e.lastOf(c, room)
	h.Top = engine.Position{Epoch: epoch, Offset: at.offset}
	return h, err
}

// isOlder reports whether the recent publications of a topic have none before this offset.
func (t *topic) isOlder(before uint64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.recent == nil {
		return false // they were not read yet
	}
	floor, ok := t.recent.Floor()
	return ok && before <= floor+1
}

// filled is the newest part of a room's log, as a job has read it.
type filled struct {
	top    engine.Position
	recent *window.Window
	whole  bool // it has all that the room keeps
	err    error
}

// covers reports whether the recent publications are enough for an answer.
func (f *filled) covers(part engine.Span) bool {
	floor, ok := f.recent.Floor()
	switch {
	case part.Limit == 0 || f.whole || !ok:
		return true
	case part.Behind >= floor:
		return true
	case part.Newest && part.Limit > 0:
		return len(f.recent.Read(part)) >= part.Limit
	}
	return false
}

// history answers from the recent publications of a topic, if they are enough.
func (t *topic) history(part engine.Span, keep *engine.Retention) (h engine.History, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.began {
		return h, false
	}
	if t.recent == nil {
		return engine.History{Top: t.topLocked()}, t.whole || part.Limit == 0 || part.Behind >= t.tip.offset
	}
	t.trimLocked(keep)
	f := filled{top: t.topLocked(), recent: t.recent, whole: t.whole}
	if !f.covers(part) {
		return h, false
	}
	return engine.History{Publications: t.recent.Read(part), Top: f.top}, true
}

// recentOf returns the limits of the recent publications of a room that keeps this much.
func recentOf(keep *engine.Retention) *engine.Retention {
	recent := &engine.Retention{Messages: min(keep.Messages, maxRecent), Bytes: min(keep.Bytes, maxRecentBytes), Age: keep.Age}
	if keep.Age <= 0 {
		recent.Age = engine.Forever
	}
	return recent
}

// isRecent reports whether the recent publications of a room are all that it keeps.
func isRecent(keep *engine.Retention) bool {
	return keep.Messages <= maxRecent && keep.Bytes <= maxRecentBytes
}

// fill reads the newest part of a room's log. If the room has a topic, its recent publications go on from
// there.
func (e *Engine) fill(room string, t *topic, keep *engine.Retention) *filled {
	if t == nil {
		return e.fillUnknown(room, keep)
	}
	floor, ok := t.recentFloor()
	if !ok {
		return &filled{err: engine.ErrUnavailable} // the topic is still opening
	}
	erasures := e.erasures.Load()
	s, err := e.scan(room, keep)
	if err != nil {
		return &filled{err: err}
	}
	t.reaches(s.top.offset) // the server may have sent it in vain, and who joins waits for it
	s.before = min(s.before, floor+1)
	older, whole, err := s.backwards()
	if err != nil {
		return &filled{err: err}
	}
	f, ok := t.extend(s.epoch, erasures, floor, older, whole || isRecent(keep), keep)
	if !ok {
		return e.fillUnknown(room, keep) // those that were read may not be kept
	}
	if len(older) > 0 { // some may have been redacted after they were read
		redacted := e.stubsBetween(t.class, room, older[0].Offset, older[len(older)-1].Offset)
		t.redact(redacted)
		f.recent.Redact(redacted)
	}
	return f
}

// fillUnknown reads the newest part of the log of a room that has no subscribers on this node.
func (e *Engine) fillUnknown(room string, keep *engine.Retention) *filled {
	s, err := e.scan(room, keep)
	if err != nil {
		return &filled{err: err}
	}
	all, whole, err := s.backwards()
	if err != nil {
		return &filled{err: err}
	}
	f := &filled{top: engine.Position{Epoch: s.epoch, Offset: s.top.offset}, recent: new(window.Window), whole: whole || isRecent(keep)}
	e.appendTo(f.recent, all)
	f.recent.Trim(recentOf(keep), e.clock())
	return f
}

// recentFloor returns the offset behind which a topic has all publications.
func (t *topic) recentFloor() (floor uint64, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.began {
		return 0, false
	}
	if t.recent != nil {
		if floor, ok := t.recent.Floor(); ok {
			return floor, true
		}
	}
	return t.tip.offset, true
}

// extend puts older publications of an epoch before the recent ones of a topic, and returns a copy of all.
// It reports false if the topic has another epoch now, has forgotten the recent ones, or if a user was
// erased since.
func (t *topic) extend(epoch string, erasures int64, floor uint64, older []engine.Publication, whole bool, keep *engine.Retention) (f *filled, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.epoch != epoch || t.e.erasures.Load() != erasures {
		return nil, false
	}
	if t.recent == nil && t.tip.offset > floor {
		return nil, false
	}
	w := new(window.Window)
	t.e.appendTo(w, older)
	all := engine.Span{Limit: -1, Places: true}
	if t.recent == nil {
		t.setRecentLocked(w, whole)
	} else if at, ok := t.recent.Floor(); !ok || at == floor {
		t.e.appendTo(w, t.recent.Read(all))
		t.setRecentLocked(w, whole)
	}
	t.trimLocked(keep)
	f = &filled{top: t.topLocked(), recent: new(window.Window), whole: t.whole}
	t.e.appendTo(f.recent, t.recent.Read(all))
	return f, true
}

// appendTo appends publications to a window. Their age is taken from the time in them.
func (e *Engine) appendTo(w *window.Window, all []engine.Publication) {
	now, clock := e.now(), e.clock()
	for i := range all {
		w.Append(&all[i], clock-int64(max(0, now.Sub(all[i].Time))))
	}
}

// page reads the part of a log that is older than the recent publications.
func (e *Engine) page(room string, part engine.Span, keep *engine.Retention) (h engine.History, err error) {
	s, err := e.scan(room, keep)
	if err != nil {
		return h, err
	}
	h.Top = engine.Position{Epoch: s.epoch, Offset: s.top.offset}
	s.behind, s.places, s.messages = max(s.behind, part.Behind), part.Places, false
	if part.Before != 0 {
		s.before = min(s.before, part.Before)
	}
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
