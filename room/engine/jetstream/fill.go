package jetstream

import (
	"math"

	"webim/room/engine"
	"webim/room/engine/jetstream/internal/codec"
	"webim/room/engine/jetstream/internal/recent"
)

// readLog reads the newest publications of a room's log before an offset: see roomlog.Log.Recent.
func (e *Engine) readLog(room string, keep *engine.Retention, before uint64,
	tip codec.Tip) (top engine.Position, all []engine.Publication, whole bool, err error) {
	c := e.class(room)
	if err := e.ready(c); err != nil {
		return top, nil, false, err
	}
	return e.logOf(c, room).Recent(keep, before, tip)
}

// fill reads the newest part of a room's log. If the room has a topic, its recent publications go on from
// there.
func (e *Engine) fill(room string, t *topic, keep *engine.Retention) *recent.Part {
	if t == nil {
		return e.fillUnknown(room, keep)
	}
	floor, ok := t.recentFloor()
	if !ok {
		return &recent.Part{Err: engine.ErrUnavailable} // the topic is still opening
	}
	erasures := e.erasures.Load()
	tip, epoch := t.end()
	if is, _ := e.epochOf(t.class, room); is != epoch {
		tip = codec.Tip{} // the log is another one now
	}
	top, older, whole, err := e.readLog(room, keep, floor+1, tip)
	t.reaches(top.Offset) // the server may have sent it in vain, and new members wait for it
	if err != nil {
		return &recent.Part{Err: err}
	}
	f, ok := t.extend(top.Epoch, erasures, floor, older, whole, keep)
	if !ok {
		return e.fillUnknown(room, keep) // those that were read may not be kept
	}
	e.redactRead(room, t, f, older)
	return f
}

// fillUnknown reads the newest part of the log of a room that has no subscribers on this node.
func (e *Engine) fillUnknown(room string, keep *engine.Retention) *recent.Part {
	top, all, whole, err := e.readLog(room, keep, math.MaxUint64, codec.Tip{})
	if err != nil {
		return &recent.Part{Err: err}
	}
	return e.recent.NewPart(top, all, whole, keep)
}

// fillSince reads the publications of a room after one, up to the recent publications of its topic. The result
// is empty if the log has no publication at that offset, so that its successor is not known, or too many after it.
func (e *Engine) fillSince(room string, t *topic, behind uint64, keep *engine.Retention) *recent.Part {
	floor, ok := t.recentFloor()
	if !ok || floor <= behind {
		return &recent.Part{}
	}
	epoch, _ := e.epochOf(t.class, room)
	erasures := e.erasures.Load()
	missed, whole, err := e.logOf(t.class, room).Since(behind, floor)
	if err != nil {
		return &recent.Part{Err: err}
	}
	if is, _ := e.epochOf(t.class, room); is != epoch || len(missed) == 0 { // a part of them may have been removed
		return &recent.Part{}
	}
	f, ok := t.extend(epoch, erasures, floor, missed, whole, keep)
	if !ok {
		return &recent.Part{}
	}
	e.redactRead(room, t, f, missed)
	return f
}

// redactRead redacts publications that were redacted after they were read.
func (e *Engine) redactRead(room string, t *topic, f *recent.Part, read []engine.Publication) {
	if len(read) > 0 {
		redacted := e.stubs().Between(t.class.Class, room, read[0].Offset, read[len(read)-1].Offset)
		t.redact(redacted)
		f.Redact(redacted)
	}
}

// recentFloor returns the offset behind which a topic has all publications.
func (t *topic) recentFloor() (floor uint64, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.began {
		return 0, false
	}
	if floor, ok := t.recent.Floor(); ok {
		return floor, true
	}
	return t.tip.Offset, true
}

// extend puts older publications of an epoch before the recent ones of a topic, and returns a copy of all.
// It reports false if the topic has another epoch now, has forgotten the recent ones, or if a user was
// erased since.
func (t *topic) extend(epoch string, erasures int64, floor uint64, older []engine.Publication, whole bool, keep *engine.Retention) (f *recent.Part, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.epoch != epoch || t.e.erasures.Load() != erasures || !t.recent.Extend(older, floor, t.tip.Offset, whole, keep) {
		return nil, false
	}
	return t.recent.Copy(t.topLocked()), true
}

// isOlder reports whether the recent publications of a topic have none before this offset.
func (t *topic) isOlder(before uint64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	floor, ok := t.recent.Floor() // otherwise they were not read yet
	return ok && before <= floor+1
}

// history answers from the recent publications of a topic, if they are enough.
func (t *topic) history(span engine.Span, keep *engine.Retention) (h engine.History, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.began {
		return h, false
	}
	t.recent.Trim(keep)
	part := t.recent.Part(t.topLocked())
	if !part.Covers(span) {
		return h, false
	}
	return part.History(span), true
}

// forgetRecent forgets the recent publications.
func (t *topic) forgetRecent() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.recent.Forget(false)
}

// Resize implements engine.Resizer. It changes Config.MaxRecent.
func (e *Engine) Resize(bytes int64) { e.recent.SetLimit(bytes) }

// evict forgets the recent publications of some topics. The next reader reads them from the log.
func (e *Engine) evict() {
	all := e.topics.all()
	e.recent.Evict(len(all), func(i int) { all[i].forgetRecent() })
}
