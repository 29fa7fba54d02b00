package jetstream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"webim/netpoll/snapshot"
	"webim/room/engine"
)

// A node moves to another process: the id of the node moves, with all that it knows of the other nodes, and the positions of
// its rooms, which the hub gives to Resume. Everything else is in the store. A store inside the process (Config.Store) is closed
// by the old process and opened by the new one; meanwhile calls wait. With a NATS outside, the new process is connected before
// the old one stops (Config.Held).

// freezeTime limits how long Freeze waits, if its context does not.
const freezeTime = 10 * time.Second

// Freeze implements engine.Movable.
func (e *Engine) Freeze(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, freezeTime)
	defer cancel()
	m := &e.moving
	m.mu.Lock()
	defer m.mu.Unlock()
	if e.cfg.Alone || m.frozen || m.held {
		return errors.New("jetstream: this engine is no node that can move")
	}
	m.frozen = true
	if err := e.calls.Shut(ctx); err != nil {
		return fmt.Errorf("jetstream: calls that change something have not ended: %w", err)
	}
	// The server sends a node its own notices before it answers the flush.
	err := e.acks.Flush(ctx)
	if err == nil {
		err = e.nc.FlushWithContext(ctx)
	}
	if err == nil {
		err = e.inbox.Pause(ctx)
	}
	if err != nil {
		return fmt.Errorf("jetstream: messages from the store have not arrived: %w", err)
	}
	if err := e.jobs.Pause(ctx); err != nil {
		return fmt.Errorf("jetstream: requests to the store have not ended: %w", err)
	}
	if err := e.cluster.Freeze(ctx); err != nil {
		return err
	}
	if !e.stateMu.TryLock() {
		return errors.New("jetstream: the state is being read: try again")
	}
	e.state.Freeze()
	e.stateMu.Unlock()
	m.stateFrozen = true
	if e.cfg.Store == nil {
		return nil
	}
	m.stopped = e.now()
	m.suspended.Store(true)
	_ = e.state.Unload(ctx) // without it, the store only takes longer to stop
	return e.cfg.Store.Suspend()
}

// Export implements engine.Movable.
func (e *Engine) Export(enc *snapshot.Encoder) {
	e.moving.mu.Lock()
	defer e.moving.mu.Unlock()
	enc.Time(1, e.moving.stopped)
	enc.Message(2, e.cluster.Export)
	e.unsaved.Export(enc, 3)
	e.stored.Export(enc, 4, e.now())
	e.newKeys.Export(enc, 5, e.now())
}

// importTime limits how long Import waits for the store.
const importTime = 5 * time.Second

// Import implements engine.Movable, for an engine with Config.Held. It may wait.
func (e *Engine) Import(state []byte) error {
	m := &e.moving
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.held {
		return errors.New("jetstream: this engine was not opened for the node of another process")
	}
	d := snapshot.Decode(state)
	for field := d.Next(); field != 0; field = d.Next() {
		var err error
		switch field {
		case 1:
			m.interruption = max(0, e.now().Sub(d.Time()))
		case 2:
			err = e.cluster.Import(d.Message())
		case 3:
			err = e.unsaved.Import(d.Message())
		case 4:
			err = e.stored.Import(d.Message())
		case 5:
			err = e.newKeys.Import(d.Message())
		}
		if err != nil {
			d.Fail(err)
		}
	}
	if d.Err() != nil {
		return fmt.Errorf("jetstream: the state of an engine: %w", d.Err())
	}
	ctx, cancel := context.WithTimeout(e.ctx, importTime)
	defer cancel()
	return e.followClasses(ctx)
}

// thawTime is how long Thaw waits for the store.
const thawTime = 10 * time.Second

// Thaw implements engine.Movable. It may wait for the store.
func (e *Engine) Thaw() (err error) {
	m := &e.moving
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.held:
		m.held = false
		e.work()
	case !m.frozen:
		return nil
	case m.stateFrozen:
		m.stateFrozen = false
		e.state.Thaw()
	}
	e.jobs.Resume()
	if m.suspended.Load() {
		if err = e.reopenStore(); err == nil {
			err = e.updateState()
		}
		m.suspended.Store(false)
	}
	e.cluster.Thaw(!e.isLost.Load())
	e.inbox.Resume()
	e.wakeState()
	m.frozen = false
	e.calls.Open()
	return err
}

// work begins the work that the engine does by itself.
func (e *Engine) work() {
	e.jobs.After(e.cfg.sweep, e.sweep)
	if !e.cfg.Alone {
		e.jobs.After(e.cfg.lookEvery, e.sweepRemoved)
		e.jobs.After(e.cfg.compareEvery, e.compare)
		e.jobs.Go(e.countKeys)
		e.jobs.After(e.cfg.compareEvery, e.collectKeys)
	}
}

// reopenStore opens the store again, and waits until the engine can use it.
func (e *Engine) reopenStore() error {
	opened := make(chan struct{})
	e.moving.opened.Store(&opened)
	if err := e.cfg.Store.Resume(); err != nil {
		return err
	}
	if !e.nc.IsConnected() {
		_ = e.nc.ForceReconnect() // now; it fails only when the engine has ended
	}
	select {
	case <-opened:
		e.moving.interruption = e.now().Sub(e.moving.stopped)
		return nil
	case <-time.After(thawTime):
		return fmt.Errorf("%w: the embedded store is not open again after %v", engine.ErrUnavailable, thawTime)
	case <-e.ctx.Done():
		return engine.ErrUnavailable
	}
}

// Interruption implements engine.Interrupter.
func (e *Engine) Interruption() time.Duration {
	e.moving.mu.Lock()
	defer e.moving.mu.Unlock()
	return e.moving.interruption
}
