package jetstream

import (
	"context"

	"webim/room/engine"
	"webim/room/engine/jetstream/internal/state"
)

// The methods of engine.State are those of package state, except that nothing is written while the store
// cannot be used.

// openState finds or makes the stream of the State, and loads the copy.
func (e *Engine) openState(ctx context.Context) error {
	e.openMu.Lock()
	_, incarnation, err := e.openStream(ctx, &e.stateRenewed, state.StreamConfig(e.cfg.MaxState))
	e.openMu.Unlock()
	if err != nil {
		return err
	}
	return e.state.Load(ctx, incarnation)
}

// stateBroken is called when the consumer that feeds the copy has failed.
func (e *Engine) stateBroken(err error) {
	e.failed("the state is read again, because changes may be missing", "", err)
	e.jobs.After(retry, e.reloadState)
}

// reloadState loads the copy again. If the connection was lost, back does that.
func (e *Engine) reloadState() {
	if err := e.openState(e.ctx); err != nil && e.nc.IsConnected() {
		e.failed("the state cannot be read", "", err)
		e.jobs.After(retry, e.reloadState)
	}
}

// put writes an entry, and waits until that is done.
func (e *Engine) put(entry engine.Entry) error {
	return e.wait(func(done func(error)) { e.Put(entry, func(_ uint64, err error) { done(err) }) })
}

// wait waits for a call, or for the end of the engine.
func (e *Engine) wait(call func(done func(error))) error {
	c := make(chan error, 1)
	call(func(err error) { c <- err })
	select {
	case err := <-c:
		return err
	case <-e.ctx.Done():
		return engine.ErrUnavailable
	}
}

// Get implements engine.State. done is called before Get returns.
func (e *Engine) Get(k engine.Key, done func(engine.Entry, error)) { e.state.Get(k, done) }

// Put implements engine.State.
func (e *Engine) Put(entry engine.Entry, done func(version uint64, err error)) {
	if err := e.unavailable(); err != nil {
		done(0, err)
		return
	}
	e.state.Put(entry, done)
}

// Delete implements engine.State.
func (e *Engine) Delete(k engine.Key, version uint64, done func(error)) {
	if err := e.unavailable(); err != nil {
		done(err)
		return
	}
	e.state.Delete(k, version, done)
}

// List implements engine.State. done is called before List returns.
func (e *Engine) List(table, of, after string, limit int, done func([]engine.Entry, error)) {
	e.state.List(table, of, after, limit, done)
}

// CountEntries implements engine.State. done is called before CountEntries returns.
func (e *Engine) CountEntries(table, of, after, before string, done func(int, error)) {
	e.state.CountEntries(table, of, after, before, done)
}

// Watch implements engine.State.
func (e *Engine) Watch(table string, f func(was, is engine.Entry)) (stop func()) {
	return e.state.Watch(table, f)
}

// MaxState implements engine.State.
func (e *Engine) MaxState() int64 { return e.state.MaxState() }
