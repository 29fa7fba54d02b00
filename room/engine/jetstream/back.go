package jetstream

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/nats-io/nats.go/jetstream"

	"webim/room/engine/jetstream/internal/cuts"
	"webim/room/engine/jetstream/internal/keys"
	"webim/room/engine/jetstream/internal/state"
	"webim/room/engine/jetstream/internal/streams"
)

// compare opens the store again if a stream has another incarnation than this node knows. If the store does not answer, the next
// comparison asks again.
func (e *Engine) compare() {
	defer e.jobs.After(e.cfg.compareEvery, e.compare)
	if e.unavailable() != nil {
		return
	}
	type stream struct {
		known       *streams.Known
		incarnation string
	}
	all := map[string]stream{state.Stream: {&e.stateKnown, e.state.Incarnation()}, keys.Stream: {e.userKeys.Known(), e.userKeys.Incarnation()}}
	e.mu.RLock()
	for _, c := range e.classes {
		if incarnation := c.incarnation.Load(); incarnation != nil {
			all[c.Stream] = stream{&c.known, *incarnation}
		}
	}
	e.mu.RUnlock()
	for name, is := range all {
		if s, err := e.streams.FindKnown(e.ctx, name, is.known); err == nil && streams.Incarnation(s) != is.incarnation {
			e.log.Warn("the store has lost messages, as another node has noticed", "stream", name)
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

// back opens the store again. It tries until that succeeds, or until Close: without it, this node is of no use.
func (e *Engine) back() {
	n := e.reconnects.Load()
	wasLost := e.isLost.Load()
	err := e.cluster.Back(e.ctx)
	if err == nil {
		err = e.check(e.ctx)
	}
	switch {
	case err != nil:
		e.failed("the store cannot be opened again", "", err)
		e.jobs.After(retry, e.back)
	case !e.reconnects.CompareAndSwap(n, 0):
		e.jobs.Go(e.back) // it was lost again meanwhile
	case wasLost && !e.moving.suspended.Load():
		e.log.Info("the connection to NATS is up again")
	}
}

// check opens all streams, loads the State, and then lets topics look for missed publications.
func (e *Engine) check(ctx context.Context) error {
	e.mu.RLock()
	all := slices.Collect(maps.Values(e.classes))
	e.mu.RUnlock()
	for _, c := range all {
		if err := e.openClassAgain(ctx, c); err != nil {
			e.setDown(err.Error())
			return err
		}
	}
	if err := e.openKeys(ctx); err != nil {
		e.setDown(err.Error())
		return err
	}
	if err := e.openState(ctx); err != nil {
		e.setDown(err.Error())
		return err
	}
	e.acks.Back()
	e.isLost.Store(false)
	e.down.Store(nil)
	if !e.nc.IsConnected() {
		e.setDown(connectionLost) // meanwhile
	}
	if opened := e.moving.opened.Swap(nil); opened != nil {
		close(*opened)
	}
	for _, t := range e.topics.all() {
		e.jobs.Go(t.check)
	}
	return nil
}

// openClassAgain opens the stream of a class, which has to have what the topics have delivered.
func (e *Engine) openClassAgain(ctx context.Context, c *class) error {
	c.openMu.Lock()
	defer c.openMu.Unlock()
	e.seeTips(c)
	return e.openClassLocked(ctx, c)
}

// seeTips notes the last publications of the topics of a class.
func (e *Engine) seeTips(c *class) {
	incarnation := c.incarnation.Load()
	for _, t := range e.topics.all() {
		t.mu.Lock()
		if t.class == c && t.began && incarnation != nil && cuts.Incarnation(t.epoch) == *incarnation {
			c.known.See(*incarnation, t.tip.Offset)
		}
		t.mu.Unlock()
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
// known when the message was sent. Since then, the stream may have got another incarnation: then the sequence says nothing about that.
func (e *Engine) acknowledged(c *class, seq uint64, before streams.Seen) {
	if seq <= before.Seq && c.known.Last().Incarnation == before.Incarnation {
		e.reopen()
		return
	}
	c.known.See(before.Incarnation, seq)
}
