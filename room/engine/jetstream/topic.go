package jetstream

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"webim/room/engine"
	"webim/room/engine/jetstream/internal/logread"
	"webim/room/engine/window"
)

// A topic is a room that has subscribers on this node. The server sends it each publication that is
// stored, at most once. The topic finds what is missing, reads it from the log, and gives its subscribers
// every publication once, in order.
//
//	opening ──load──► live ◄──► catching up
//
// While a topic catches up, it reads the log, and only remembers how far the server has sent. A topic
// that is too far behind begins anew: Subscriber.Begin.
type topic struct {
	e     *Engine
	room  string
	class *class
	subj  string // of its publications
	live  string // of what the server sends

	mu       sync.Mutex
	subs     []engine.Subscriber // copied on write
	ended    bool                // there are no subscribers any more
	began    bool                // subscribers know their position
	waiting  []func(error)       // called when the topic has begun, or cannot now
	sub      *nats.Subscription
	epoch    string
	cut      uint64   // the history up to this offset was removed
	coming   []uint64 // redacted publications that were not delivered yet
	tip      tip      // the last publication that was delivered
	catching bool     // a job reads the log
	upTo     uint64   // the log has this offset, so the job has to reach it

	// recent are the newest publications; nil: none since the topic began. If whole is true, there are no
	// others that the room keeps.
	recent *window.Window
	whole  bool
	cost   int64 // of recent, as Engine.recent counts it
}

// tip describes the last publication of a room, as its successor needs it.
type tip struct {
	offset uint64
	back   uint64 // its Back
	depth  uint8  // its Depth
}

// segment is how many publications a Back goes back, at most. A reader that follows one reads so many
// publications in a row.
const segment = 32

// next returns Back and Depth for the publication after the tip.
func (t tip) next() (back uint64, depth uint8) {
	if t.back == 0 || t.depth >= segment {
		return t.offset, 1
	}
	return t.back, t.depth + 1
}

// The limits of catching up. Above them a topic begins anew.
const (
	maxCatchUp      = 1000    // publications
	maxCatchUpBytes = 4 << 20 // of them
)

// retry is how long a job waits after an error before it tries again. A publication that the log should
// have is looked for so many times.
const (
	retry    = 250 * time.Millisecond
	maxTries = 20
)

// load begins to receive, and finds the position at which the topic begins.
func (t *topic) load() {
	if t.isEnded() {
		t.answer(engine.ErrUnavailable) // who waits has left
		return
	}
	err := t.e.ready(t.class)
	if err == nil {
		err = t.listen()
	}
	var at tip
	if err == nil {
		// The server handles what a connection sends in order: it knows that this node listens before it
		// answers. So whatever is stored after the answer is sent, or is seen to be missing.
		at, err = t.e.lastOf(t.class, t.room)
	}
	if err != nil {
		t.e.failed("a room cannot be opened", t.room, err)
		t.e.jobs.After(retry, t.load)
		t.answer(err)
		return
	}
	t.mu.Lock()
	t.beginLocked(at, 0)
	t.mu.Unlock()
	t.answer(nil)
}

// whenBegun calls f when the topic has begun, or with an error if that has to be tried again.
func (t *topic) whenBegun(f func(error)) {
	t.mu.Lock()
	if !t.began && !t.ended {
		t.waiting = append(t.waiting, f)
		t.mu.Unlock()
		return
	}
	t.mu.Unlock()
	f(nil)
}

// answer calls those that wait for the beginning.
func (t *topic) answer(err error) {
	t.mu.Lock()
	all := t.waiting
	t.waiting = nil
	t.mu.Unlock()
	for _, f := range all {
		f(err)
	}
}

// listen makes the server send the room's publications.
func (t *topic) listen() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.sub != nil || t.ended {
		return nil
	}
	sub, err := t.e.nc.ChanSubscribe(t.live, t.e.incoming)
	t.sub = sub
	return err
}

// beginLocked continues at a position: what is before it is not delivered. was is upTo before the position
// was read from the log: what the server has sent since then is read again.
func (t *topic) beginLocked(at tip, was uint64) {
	t.epoch, t.cut = t.e.epochOf(t.class, t.room)
	if t.upTo == was {
		t.upTo = at.offset // if the log once went farther, it does not any more
	}
	t.tip, t.catching, t.began = at, false, true
	t.setRecentLocked(nil, at.offset == t.cut)
	for _, s := range t.subs {
		s.Begin(t.topLocked())
	}
	if t.upTo > at.offset {
		t.catchUpLocked()
	}
}

// known returns upTo, for beginLocked.
func (t *topic) known() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.upTo
}

func (t *topic) topLocked() engine.Position {
	return engine.Position{Epoch: t.epoch, Offset: t.tip.offset}
}

// unload ends the subscription of a topic that has ended.
func (t *topic) unload() {
	t.mu.Lock()
	sub := t.sub
	t.sub = nil
	t.mu.Unlock()
	if sub != nil {
		_ = sub.Unsubscribe() // it fails if the connection is closed, which ends it too
	}
}

func (t *topic) isEnded() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.ended
}

// arrived handles a publication that the server has sent. prev is the offset of the one before it; 0 says
// nothing: there is none, or it was removed.
func (t *topic) arrived(seq, prev uint64, data []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended || seq <= t.tip.offset {
		return
	}
	if t.upTo = max(t.upTo, seq); t.catching || !t.began {
		return
	}
	if prev == t.tip.offset && t.takeLocked(seq, data) == nil {
		return
	}
	t.catchUpLocked()
}

// reaches says that the log has this offset, or a higher one.
func (t *topic) reaches(offset uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.began || t.ended || offset <= t.tip.offset {
		return
	}
	t.upTo = max(t.upTo, offset)
	t.catchUpLocked()
}

// takeLocked delivers the next publication. The error is errKey if that has to wait for the author's key. It
// decodes under the lock, so that a publication of a user who was erased meanwhile is not delivered.
func (t *topic) takeLocked(seq uint64, data []byte) error {
	p, at, err := t.e.decode(t.room, seq, data, false)
	if err != nil {
		return err
	}
	p.Prev = t.tip.offset
	t.tip = at
	t.redactComingLocked(&p)
	if t.recent == nil {
		t.recent = new(window.Window)
	}
	t.recent.Append(&p, t.e.clock())
	t.trimLocked(t.e.keepOf(t.room, nil))
	for _, s := range t.subs {
		s.Deliver(p)
	}
	return nil
}

// trimLocked forgets recent publications above the limits.
func (t *topic) trimLocked(keep *engine.Retention) {
	was, _ := t.recent.Floor()
	t.recent.Trim(recentOf(keep), t.e.clock())
	if is, _ := t.recent.Floor(); is != was && !isRecent(keep) {
		t.whole = false // what was forgotten is still in the log
	}
	t.countLocked()
}

// setRecentLocked replaces the recent publications.
func (t *topic) setRecentLocked(w *window.Window, whole bool) {
	t.recent, t.whole = w, whole
	t.countLocked()
}

// countLocked counts the cost of the recent publications.
func (t *topic) countLocked() {
	is := int64(0)
	if t.recent != nil && !t.ended {
		is = t.recent.Cost()
	}
	if is != t.cost {
		t.e.addRecent(is - t.cost)
		t.cost = is
	}
}

// forgetRecent forgets the recent publications.
func (t *topic) forgetRecent() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.setRecentLocked(nil, false)
}

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
			t.e.log.Warn("a room has lost too many publications on the way to this node: its members recover", "room", t.room, "read", n)
			t.beginAnew()
			return
		}
		one, err := t.e.next(t.class, t.room, from)
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
		if err := t.e.commit(t.class.stream); err != nil {
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
// the topic takes again what the server sends.
func (t *topic) missing() (from uint64, done bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended || t.tip.offset >= t.upTo {
		t.catching = false
		return 0, true
	}
	return t.tip.offset + 1, false
}

// take delivers a publication that was read from the log. It may wait for the author's key. What cannot be
// decoded is left out: it would stop the room for ever.
func (t *topic) take(one logread.Stored) error {
	_, at, err := t.e.decode(t.room, one.Seq, one.Data, true)
	if err != nil && !isDamaged(err) {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case one.Seq <= t.tip.offset:
		return nil
	case err != nil:
		t.e.failed("a publication cannot be read and is left out", t.room, err)
		t.tip = at
		return nil
	}
	return t.takeLocked(one.Seq, one.Data)
}

// beginAnew continues at the end of the log. Members learn that they may have missed publications.
func (t *topic) beginAnew() {
	was := t.known()
	at, err := t.e.lastOf(t.class, t.room)
	if err != nil {
		t.e.failed("a room cannot read its log", t.room, err)
		t.e.jobs.After(retry, t.beginAnew)
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if at.offset < t.tip.offset {
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
	at, err := t.e.lastOf(t.class, t.room)
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
		if incarnationOf(is) == incarnationOf(t.epoch) && at.offset < t.tip.offset {
			at = t.tip // the history was removed, and publications go on
		}
		t.beginLocked(at, t.upTo) // otherwise, another log has taken its place
		t.e.jobs.Go(t.check)      // what it has got meanwhile may have been taken for an old publication
		return
	}
	t.reaches(at.offset)
}

// subscribe adds a subscriber. It reports false if the topic has ended.
func (t *topic) subscribe(s engine.Subscriber) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended {
		return false
	}
	t.subs = append(slices.Clip(t.subs), s)
	if t.began {
		s.Begin(t.topLocked())
	}
	return true
}

// unsubscribe removes a subscriber. It reports whether the topic has ended.
func (t *topic) unsubscribe(s engine.Subscriber) (ended bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.subs = slices.DeleteFunc(slices.Clone(t.subs), func(other engine.Subscriber) bool { return other == s })
	if t.ended = len(t.subs) == 0; t.ended {
		t.countLocked()
	}
	return t.ended
}

// notice passes a notice on.
func (t *topic) notice(n engine.Notice) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.subs {
		s.Notify(n)
	}
}

// incarnationOf returns the first part of an epoch.
func incarnationOf(epoch string) string {
	incarnation, _, _ := strings.Cut(epoch, "-")
	return incarnation
}

// epochName returns the epoch of a room whose history was removed n times.
func epochName(incarnation string, n uint64) string {
	if n == 0 {
		return incarnation
	}
	return incarnation + "-" + strconv.FormatUint(n, 10)
}
