package jetstream

import (
	"slices"
	"sync"

	"github.com/nats-io/nats.go"

	"webim/room/engine"
	"webim/room/engine/jetstream/internal/codec"
	"webim/room/engine/jetstream/internal/gate"
	"webim/room/engine/jetstream/internal/recent"
)

// A topic is a room that has subscribers on this node. The server sends it each publication that is
// stored, at most once. The topic finds out that one is missing, reads it from the log, and gives its subscribers
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
	live  string // the subject on which the server sends

	mu       sync.Mutex
	subs     []engine.Subscriber // copied on write
	ended    bool                // there are no subscribers any more
	began    bool                // subscribers know their position
	waiting  gate.Line           // called when the topic has begun, or cannot now
	made     uint64              // the last publication that this node has made: a history must have it
	readers  []reader            // that wait for it
	sub      *nats.Subscription
	epoch    string
	cut      uint64           // the history up to this offset was removed
	resumes  *engine.Position // where the subscriber has been in another process; nil: in none
	coming   []uint64         // redacted publications that were not delivered yet
	tip      codec.Tip        // the last publication that was delivered
	catching bool             // a job reads the log
	upTo     uint64           // the log has this offset, so the job has to reach it
	told     int64            // the time of the last erasure of a user of which the subscribers were told
	sweptIn  string           // the incarnation in which the topic was compared with the whole log: see sweep.go

	recent recent.Publications
}

// newTopic returns the topic of a room with its first subscriber.
func (e *Engine) newTopic(c *class, room string, s engine.Subscriber) *topic {
	return &topic{e: e, room: room, class: c, subj: c.Room(room), live: c.Live(room), subs: []engine.Subscriber{s}, recent: recent.Publications{Memory: e.recent}}
}

func (t *topic) topLocked() engine.Position {
	return engine.Position{Epoch: t.epoch, Offset: t.tip.Offset}
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
	if t.ended || seq <= t.tip.Offset {
		return
	}
	if t.upTo = max(t.upTo, seq); t.catching || !t.began {
		return
	}
	if prev == t.tip.Offset && t.takeLocked(seq, data) == nil {
		return
	}
	t.catchUpLocked()
}

// takeLocked delivers the next publication. The error is codec.ErrKey if that has to wait for the author's key. It
// decodes under the lock, so that a publication of a user who was erased meanwhile is not delivered.
func (t *topic) takeLocked(seq uint64, data []byte) error {
	p, at, err := t.e.codec.Decode(t.room, seq, data, false)
	if err != nil {
		return err
	}
	p.Prev = t.tip.Offset
	t.tip = at
	t.redactComingLocked(&p)
	t.recent.Append(&p, t.e.keepOf(t.room, nil))
	for _, s := range t.subs {
		s.Deliver(p)
	}
	t.answerLocked()
	return nil
}

// lastTip returns the tip.
func (t *topic) lastTip() codec.Tip {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.tip
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
		t.recent.Leave()
		t.callLocked(len(t.readers), errEnded)
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
