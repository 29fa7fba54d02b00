package jetstream

import (
	"errors"

	"webim/room/engine/jetstream/internal/codec"
	"webim/room/engine/jetstream/internal/cuts"
	"webim/room/engine/jetstream/internal/logread"
)

// The limits of catching up. Above them a topic begins anew.
const (
	maxCatchUp      = 1000    // publications
	maxCatchUpBytes = 4 << 20 // of them
)

// maxTries is how often any server is asked for publications that the log should have. Then the leader is asked.
const maxTries = 20

// catchUpLocked starts the job that reads the log, unless it runs.
func (t *topic) catchUpLocked() {
	if !t.catching {
		t.catching = true
		t.e.jobs.Go(func() { t.catchUp(effort{}) })
	}
}

// effort is what a topic has done to catch up.
type effort struct {
	n, bytes int // publications that were read
	tries    int // how often one was not found; from maxTries on, the leader is asked
}

// catchUp reads the publications after the tip from the log, and delivers them, until nothing is missing.
func (t *topic) catchUp(so effort) {
	for {
		from, done := t.missing()
		if done {
			return
		}
		if so.n >= maxCatchUp || so.bytes >= maxCatchUpBytes {
			t.e.faults.Warn("a room has lost too many publications on the way to this node: its members recover", "room", t.room, "read", so.n)
			t.beginAnew()
			return
		}
		log := t.e.logOf(t.class, t.room)
		next := log.Next
		if so.tries >= maxTries {
			next = log.SureNext
		}
		one, err := next(from)
		switch {
		case errors.Is(err, logread.ErrNone) && so.tries < maxTries:
			// The answer is from a server of the cluster that does not have it yet.
			so.tries++
			t.e.jobs.After(retry, func() { t.catchUp(so) })
			return
		case errors.Is(err, logread.ErrNone):
			t.beginAnew() // it was removed from the log, as the leader says
			return
		case err != nil:
			t.e.failed("a room cannot read its log", t.room, err)
			t.e.jobs.After(retry, func() { t.catchUp(effort{}) })
			return
		}
		if err := t.e.disk.Wait(t.class.Stream); err != nil {
			t.e.failed("the store cannot write to the disk", t.room, err)
			t.e.jobs.After(retry, func() { t.catchUp(effort{}) })
			return
		}
		if err := t.take(one); err != nil {
			t.e.failed("a publication cannot be opened", t.room, err)
			t.e.jobs.After(retry, func() { t.catchUp(effort{}) })
			return
		}
		so.n, so.bytes = so.n+1, so.bytes+len(one.Data)
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
	epoch, _ := t.e.epochOf(t.class, t.room)
	at, err := t.e.logOf(t.class, t.room).LastOfLeader() // whatever the topic knew to come counts as removed
	if err != nil {
		t.e.failed("a room cannot read its log", t.room, err)
		t.e.jobs.After(retry, t.beginAnew)
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if at.Offset < t.tip.Offset && cuts.Incarnation(epoch) == cuts.Incarnation(t.epoch) {
		at = t.tip // the answer is from a server that is behind
	}
	if !t.beginLocked(epoch, at, was) {
		t.e.jobs.Go(t.beginAnew)
	}
}

// beginLocked continues at a position: publications before it are not delivered. was is upTo before the position
// was read from the log: publications that the server has sent since then are read again. It reports false if the room has another epoch
// now than before the position was read: then that may be of another log.
func (t *topic) beginLocked(epoch string, at codec.Tip, was uint64) bool {
	is, cut := t.e.epochOf(t.class, t.room)
	if is != epoch {
		return false
	}
	t.epoch, t.cut = is, cut
	if t.upTo == was {
		t.upTo = at.Offset // if the log once went farther, it does not any more
	}
	t.tip, t.catching, t.began, t.sweptIn = at, false, true, "" // the server that knows at may be behind
	t.made = min(t.made, max(t.upTo, at.Offset))
	t.callLocked(len(t.readers), nil)
	t.recent.Forget(at.Offset == t.cut)
	for _, s := range t.subs {
		s.Begin(t.topLocked())
	}
	if t.upTo > at.Offset {
		t.catchUpLocked()
	}
	return true
}

// known returns upTo, for beginLocked.
func (t *topic) known() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.upTo
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
	log := t.e.logOf(t.class, t.room)
	is, _ := t.e.epochOf(t.class, t.room)
	last := log.Last
	if is != was {
		last = log.LastOfLeader // members begin there
	}
	at, err := last()
	if err != nil {
		t.e.failed("a room cannot read its log", t.room, err)
		t.e.jobs.After(retry, t.check) // after a loss of the connection, back checks as well
		return
	}
	if is != was {
		t.mu.Lock()
		defer t.mu.Unlock()
		if t.epoch == is {
			return // another job was first
		}
		if cuts.Incarnation(is) == cuts.Incarnation(t.epoch) && at.Offset < t.tip.Offset {
			at = t.tip // the history was removed, and publications go on
		}
		t.beginLocked(is, at, t.upTo) // otherwise, another log has taken its place
		t.e.jobs.Go(t.check)          // publications that came meanwhile may have been taken for an old publication
		return
	}
	if now, _ := t.e.epochOf(t.class, t.room); now != is {
		t.e.jobs.Go(t.check) // the log may be another one than that whose end was read
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
