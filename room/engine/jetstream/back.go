package jetstream

import (
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"webim/room/engine/jetstream/internal/keys"
	"webim/room/engine/jetstream/internal/state"
	"webim/room/engine/jetstream/internal/streams"
)

// compareEvery is how often a node compares the incarnations of its streams with those in the store. Another node may have
// renewed one, or this node has, and did not hear that the store has made the change.
const compareEvery = 30 * time.Second

// compare opens the store again if a stream has another incarnation than this node knows. If the store does not answer, the next
// comparison asks again.
func (e *Engine) compare() {
	defer e.jobs.After(e.cfg.compareEvery, e.compare)
	if e.unavailable() != nil {
		return
	}
	known := map[string]string{state.Stream: e.state.Incarnation(), keys.Stream: e.userKeys.Incarnation()}
	e.mu.RLock()
	for _, c := range e.classes {
		if incarnation := c.incarnation.Load(); incarnation != nil {
			known[c.Stream] = *incarnation
		}
	}
	e.mu.RUnlock()
	for stream, incarnation := range known {
		if s, err := e.js.Stream(e.ctx, stream); err == nil && streams.Incarnation(s) != incarnation {
			e.log.Warn("the store has lost messages, as another node has noticed", "stream", stream)
			e.reopen()
			return
		}
	}
}

// reopen opens the store again, as after a loss of the connection. One job at a time does so.
func (e *Engine) reopen() {
	if e.made.Load() && e.reconnects.Add(1) == 1 { // otherwise Open fails by itself
		e.jobs.Go(e.back)
	}
}

// lookFor looks for the stream of a class after the server has said that nobody has it: a cluster has no leader for
// it, which passes, or somebody has deleted it. Then it is made again.
func (e *Engine) lookFor(c *class) {
	if !c.looking.CompareAndSwap(false, true) {
		return
	}
	e.jobs.Go(func() {
		defer c.looking.Store(false)
		if _, err := e.js.Stream(e.ctx, c.Stream); errors.Is(err, jetstream.ErrStreamNotFound) {
			e.reopen()
		}
	})
}

// acknowledged is called with each sequence that the store gives a new message. before is the highest one that was
// known when the message was sent.
func (e *Engine) acknowledged(c *class, seq, before uint64) {
	if seq <= before {
		e.reopen()
		return
	}
	c.known.See(seq)
}
