package jetstream

import (
	"webim/room/budget"
	"webim/room/engine"
	"webim/room/engine/jetstream/internal/recent"
	"webim/room/engine/jetstream/internal/roomlog"
)

// A history is read in one of three ways:
//
//   - From the recent publications of a topic, at once.
//   - If these begin too late, a job reads the log backwards, once for all callers that wait, until it has as much
//     as the room keeps or roomlog.MaxRecent publications. So the first recovery of a room reads the log, and
//     those after it do not.
//   - Older ones are read from the log for each caller.

// History implements engine.Log. Publications older than the recent ones are read in pages: a negative
// Limit means at most 1,000 publications then, and an answer has at most 4 MiB. Such a page may have
// events that a later event has superseded.
func (e *Engine) History(room string, part engine.Span, done func(engine.History, error)) {
	done, ok := e.takeRead(part.Payer, done)
	if !ok {
		done(engine.History{}, engine.ErrUnavailable)
		return
	}
	e.whenCurrent(room, part, func(h engine.History, err error) {
		if err == nil && part.Behind > h.Top.Offset && e.unavailable() == nil {
			e.whenAhead(room, part, done)
			return
		}
		done(h, err)
	})
}

// whenCurrent answers when the room's topic, if it has one, has all that this node has published.
func (e *Engine) whenCurrent(room string, part engine.Span, done func(engine.History, error)) {
	t := e.topic(room)
	if t == nil {
		e.history(room, nil, part, done)
		return
	}
	t.whenCurrent(func(err error) {
		switch err {
		case nil:
			e.history(room, t, part, done)
		case errEnded:
			e.whenCurrent(room, part, done)
		default:
			done(engine.History{}, err)
		}
	})
}

// whenAhead answers a client that names a publication which this node does not know. The client has it from another node, or it is of
// a former epoch: the leader of the stream knows. One job asks for all clients of the room that wait.
func (e *Engine) whenAhead(room string, part engine.Span, done func(engine.History, error)) {
	e.ends.Do(room, e.jobs.Go, func() error { return e.reachLeader(room) }, func(err error) {
		if err != nil {
			done(engine.History{}, err)
			return
		}
		e.whenCurrent(room, part, done)
	})
}

// reachLeader makes later histories of a room wait until this node has all that the leader of the stream has.
func (e *Engine) reachLeader(room string) error {
	c := e.class(room)
	epoch, _ := e.epochOf(c, room)
	at, err := e.logOf(c, room).LastOfLeader()
	if err != nil {
		return err
	}
	e.topics.made(room, epoch, at)
	if t := e.topic(room); t != nil {
		t.reaches(at.Offset)
	}
	return nil
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
	if part.Newest && part.Before != 0 && !roomlog.IsRecent(keep) && (t == nil || t.isOlder(part.Before)) {
		e.jobs.Go(func() { done(e.page(room, part, keep)) }) // the recent publications are of no use for it
		return
	}
	if t != nil && isRecovery(part) {
		e.recover(room, t, part, keep, done)
		return
	}
	e.readRecent(room, t, part, keep, done)
}

// maxReads is the number of reads of the log that wait for their turn or are under way. Payers share them, so that one
// with many reads cannot make those of the others wait. Reads without a payer are not counted: those of joins are made once
// for all clients of a room that wait, and those of the server have limits of their own.
const maxReads = 16_384

// takeRead takes the place for a read. ok is false if its payer has too many already; otherwise the returned function
// gives the place back before it calls done.
func (e *Engine) takeRead(payer budget.Owner, done func(engine.History, error)) (give func(engine.History, error), ok bool) {
	if payer == (budget.Owner{}) {
		return done, true
	}
	if !e.reads.Take(payer, 1) {
		e.faults.Warn("the store is slow: a read of an owner with many that wait is refused", "owner", payer.String())
		return done, false
	}
	return func(h engine.History, err error) {
		e.reads.Add(payer, -1)
		done(h, err)
	}, true
}

// readRecent answers from the newest part of a room's log, which it reads: once for all that wait at the same time.
func (e *Engine) readRecent(room string, t *topic, part engine.Span, keep *engine.Retention, done func(engine.History, error)) {
	e.fills.Do(room, e.jobs.Go, func() *recent.Part { return e.fill(room, t, keep) }, func(f *recent.Part) {
		switch {
		case f.Err != nil:
			done(engine.History{}, f.Err)
		case f.Covers(part):
			done(f.History(part), nil)
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
	h.Top, err = e.logOf(c, room).Top()
	return h, err
}

// page reads the part of a log that is older than the recent publications.
func (e *Engine) page(room string, part engine.Span, keep *engine.Retention) (h engine.History, err error) {
	c := e.class(room)
	if err := e.ready(c); err != nil {
		return h, err
	}
	return e.logOf(c, room).Page(part, keep)
}

// A client that was cut off asks for everything after the last publication that it has. After a restart of a node
// all its clients do so, and no topic has recent publications yet. So a job reads only that part of the log, forwards,
// once for all clients of the room that have missed as much or less. If that is not enough for a client, also because the node holds less
// than was read, it is answered as any other reader: a further job of this kind could have the same result, again and again.

// isRecovery reports whether a part is everything after a publication.
func isRecovery(part engine.Span) bool {
	return part.Before == 0 && part.Limit < 0 && !part.Newest
}

// recover answers a client that asks for everything after a publication.
func (e *Engine) recover(room string, t *topic, part engine.Span, keep *engine.Retention, done func(engine.History, error)) {
	e.sinces.Do(room, e.jobs.Go, func() *recent.Part { return e.fillSince(room, t, part.Behind, keep) }, func(f *recent.Part) {
		switch {
		case f.Err != nil:
			done(engine.History{}, f.Err)
		case !f.IsEmpty() && f.Covers(part):
			done(f.History(part), nil)
		default:
			e.readRecent(room, t, part, keep, done)
		}
	})
}
