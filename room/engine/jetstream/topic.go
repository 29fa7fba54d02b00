package jetstream

import (
	"errors"
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
	made     uint64              // a history must have this publication: this node has made it, or the leader has named it
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

// A reader waits until a history has the publications up to an offset.
type reader struct {
	offset uint64
	call   func(error)
}

// errEnded: the topic has no subscribers any more.
var errEnded = errors.New("jetstream: the topic has ended")

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

// end returns the tip with its epoch.
func (t *topic) end() (codec.Tip, string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.tip, t.epoch
}

// lastTip returns the tip.
func (t *topic) lastTip() codec.Tip {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.tip
}

// hasMade says that a history must have the publication with this offset.
func (t *topic) hasMade(offset uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.made = max(t.made, offset)
	if !t.began {
		t.upTo = max(t.upTo, offset)
	}
}
