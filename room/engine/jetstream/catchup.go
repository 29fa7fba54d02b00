package jetstream

import (
	"errors"
	"fmt"
	"time"

	"webim/room/engine/jetstream/internal/codec"
	"webim/room/engine/jetstream/internal/cuts"
	"webim/room/engine/jetstream/internal/logread"
	"webim/room/engine/jetstream/internal/sweep"
)

// The limits of catching up. Above them a topic begins anew.
const (
	maxCatchUp      = 1000    // publications
	maxCatchUpBytes = 4 << 20 // of them
)

// retry is how long a job waits after an error of the store before it tries again. It has no other limit than the life of
// the topic, or of the engine: without the answer, neither can go on. Each error is logged. A publication that the log should
// have is looked for so many times.
const (
	retry    = 250 * time.Millisecond
	maxTries = 20
)

// catchUpLocked starts the job that reads the log, unless it runs.
func (t *topic) catchUpLocked() {
	if !t.catching {
		t.catching = true
		t.e.jobs.Go(func() { t.catchUp(0) })
	}
}

// catchUp reads the publications after the tip from the log, and delivers them, until nothing is missing. It
// has failed so many times to find the next one.
func (t *topic) catchUp(tries int) {
	n, bytes := 0, 0
	for {
		from, done := t.missing()
		if done {
			return
		}
		if n >= maxCatchUp || bytes >= maxCatchUpBytes {
			t.e.faults.Warn("a room has lost too many publications on the way to this node: its members recover", "room", t.room, "read", n)
			t.beginAnew()
			return
		}
		one, err := t.e.logOf(t.class, t.room).Next(from)
		switch {
		case errors.Is(err, logread.ErrNone) && tries < maxTries:
			// The answer is from a server of the cluster that does not have it yet.
			t.e.jobs.After(retry, func() { t.catchUp(tries + 1) })
			return
		case errors.Is(err, logread.ErrNone):
			t.beginAnew() // it was removed from the log
			return
		case err != nil:
			t.e.failed("a room cannot read its log", t.room, err)
			t.e.jobs.After(retry, func() { t.catchUp(0) })
			return
		}
		if err := t.e.disk.Wait(t.class.Stream); err != nil {
			t.e.failed("the store cannot write to the disk", t.room, err)
			t.e.jobs.After(retry, func() { t.catchUp(0) })
			return
		}
		if err := t.take(one); err != nil {
			t.e.failed("a publication cannot be opened", t.room, err)
			t.e.jobs.After(retry, func() { t.catchUp(0) })
			return
		}
		n, bytes = n+1, bytes+len(one.Data)
	}
}

// missing returns the offset from which the log has to be read. Nothing is missing if done is true; then
// the topic takes the messages of the server again.
func (t *topic) missing() (from uint64, done bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended || t.tip.Offset >= t.upTo {
		t.catching = false
		return 0, true
	}
	return t.tip.Offset + 1, false
}

// take delivers a publication that was read from the log. It may wait for the author's key. One that cannot be
// decoded is left out: it would stop the room for ever.
func (t *topic) take(one logread.Stored) error {
	_, at, err := t.e.codec.Decode(t.room, one.Seq, one.Data, true)
	if err != nil && !codec.IsDamaged(err) {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case one.Seq <= t.tip.Offset:
		return nil
	case err != nil:
		t.e.failed("a publication cannot be read and is left out", t.room, err)
		t.tip = at
		t.answerLocked()
		return nil
	}
	return t.takeLocked(one.Seq, one.Data)
}

// beginAnew continues at the end of the log. Members learn that they may have missed publications.
func (t *topic) beginAnew() {
	if t.isEnded() {
		return
	}
	was := t.known()
	at, err := t.e.logOf(t.class, t.room).Last()
	if err != nil {
		t.e.failed("a room cannot read its log", t.room, err)
		t.e.jobs.After(retry, t.beginAnew)
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if at.Offset < t.tip.Offset {
		at = t.tip // the answer is from a server that is behind
	}
	t.beginLocked(at, was)
}

// check reads the end of the log: a publication that was lost on the way is noticed by the next one, but
// after the last there is no next one.
func (t *topic) check() {
	t.mu.Lock()
	began, was := t.began && !t.ended, t.epoch
	t.mu.Unlock()
	if !began {
		return
	}
	at, err := t.e.logOf(t.class, t.room).Last()
	if err != nil {
		t.e.failed("a room cannot read its log", t.room, err)
		t.e.jobs.After(retry, t.check) // after a loss of the connection, back checks as well
		return
	}
	if is, _ := t.e.epochOf(t.class, t.room); is != was {
		t.mu.Lock()
		defer t.mu.Unlock()
		if t.epoch == is {
			return // another job was first
		}
		if cuts.Incarnation(is) == cuts.Incarnation(t.epoch) && at.Offset < t.tip.Offset {
			at = t.tip // the history was removed, and publications go on
		}
		t.beginLocked(at, t.upTo) // otherwise, another log has taken its place
		t.e.jobs.Go(t.check)      // publications that came meanwhile may have been taken for an old publication
		return
	}
	t.reaches(at.Offset)
}

// reaches says that the log has this offset, or a higher one.
func (t *topic) reaches(offset uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.began || t.ended || offset <= t.tip.Offset {
		return
	}
	t.upTo = max(t.upTo, offset)
	t.catchUpLocked()
}

// sweepEvery is how often all topics are compared with the log: see package sweep. A message that a room lacks may be on
// its way, so it is read from the log only if the room still lacks it after a part of that time. A lost last publication
// arrives late by both.
const (
	sweepEvery = 5 * time.Second
	sweepGrace = 5 // parts
)

// sweep compares all topics with their logs, and then waits for the next time.
func (e *Engine) sweep() {
	if e.unavailable() == nil {
		all := map[*class]map[string]sweep.Room{}
		for _, t := range e.topics.all() {
			if all[t.class] == nil {
				all[t.class] = map[string]sweep.Room{}
			}
			all[t.class][t.subj] = t
		}
		for c, topics := range all {
			if err := e.sweepClass(c, topics); err != nil {
				e.failed("the ends of rooms cannot be compared with the log", "", fmt.Errorf("stream %s: %w", c.Stream, err))
			}
		}
	}
	e.jobs.After(e.cfg.sweep, e.sweep)
}

// sweepClass compares the topics of a class with its log.
func (e *Engine) sweepClass(c *class, topics map[string]sweep.Room) error {
	if name := c.incarnation.Load(); name != nil {
		return c.swept.Sweep(e.ctx, e.read, c.Stream, *name, topics)
	}
	return nil
}

// Sweepable implements sweep.Room.
func (t *topic) Sweepable() (began bool, incarnation string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.began && !t.ended, t.sweptIn
}

// Sees implements sweep.Room.
func (t *topic) Sees(offset uint64) {
	t.mu.Lock()
	lacks := t.began && !t.ended && offset > t.tip.Offset
	t.mu.Unlock()
	if lacks {
		t.e.jobs.After(t.e.cfg.sweep/sweepGrace, func() { t.reaches(offset) })
	}
}

// Swept implements sweep.Room.
func (t *topic) Swept(incarnation string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sweptIn = incarnation
}
