package jetstream

import (
	"context"
	"errors"
	"time"

	"webim/room/engine"
	"webim/room/engine/jetstream/internal/frames"
	"webim/room/engine/jetstream/internal/logread"
	"webim/room/engine/jetstream/internal/state"
)

// The methods of engine.State are those of package state, except that nothing is written while the store
// cannot be used.

// proofTimeout is how long a node waits for the answer when it makes sure that its copy of the State is current.
const proofTimeout = 3 * time.Second

// keepState keeps the copy of the State current until Close. It waits for no other stream and for no job: while one of the
// others has no leader, bans and revocations come nevertheless.
func (e *Engine) keepState() {
	tick := time.NewTicker(e.cfg.stateEvery)
	defer tick.Stop()
	for was := false; ; {
		select {
		case <-tick.C:
		case <-e.stateWake:
		case <-e.ctx.Done():
			return
		}
		if e.inbox.IsPaused() {
			continue // the node moves
		}
		if err := e.updateState(); err != nil && e.nc.IsConnected() {
			e.failed("the state cannot be read", "", err)
			e.jobs.After(retry, e.wakeState)
		}
		if is := e.StateIsOld(); is != was {
			if was = is; is {
				e.log.Warn("the copy of the state is old: nobody is admitted until it is current", "age", time.Since(e.state.Proved()).Round(time.Second))
			} else {
				e.log.Info("the copy of the state is current again")
			}
		}
	}
}

// updateState loads the copy if nothing follows the stream. Otherwise it only asks how far the copy has to be.
func (e *Engine) updateState() error {
	if e.state.Follows(e.state.Incarnation()) {
		return e.proveState(e.ctx)
	}
	return e.openState(e.ctx)
}

// openState finds or makes the stream of the State, and loads the copy if nothing follows that stream.
func (e *Engine) openState(ctx context.Context) error {
	e.stateMu.Lock()
	defer e.stateMu.Unlock()
	e.stateKnown.See(e.state.Incarnation(), e.state.Position())
	_, incarnation, err := e.openStream(ctx, &e.stateKnown, e.lastOfState, state.StreamConfig(e.cfg.MaxState))
	if err != nil {
		return err
	}
	if !e.state.Follows(incarnation) {
		end, err := e.endOfState(ctx)
		if err == nil {
			err = e.state.Load(ctx, incarnation, end)
		}
		if err != nil {
			return err
		}
	}
	return e.proveState(ctx)
}

// lastOfState is a streams.End.
func (e *Engine) lastOfState(ctx context.Context) (uint64, error) {
	return state.End(ctx, e.stateLeader)
}

// endOfState returns a sequence to which a copy of the State comes when it has all changes that were confirmed; 0: only one server has the
// stream.
func (e *Engine) endOfState(ctx context.Context) (uint64, error) {
	if e.cfg.Sole {
		return 0, nil
	}
	end, err := e.lastOfState(ctx)
	if err != nil {
		return 0, err
	}
	last, err := e.stateLeader.Last(ctx, state.Stream, state.Subjects)
	if errors.Is(err, logread.ErrNone) {
		err = nil
	}
	return min(end, last.Seq), err // the message at the end may have expired
}

// proveState asks the leader of the stream for the last message, which the copy must have.
//
// A leader that is cut off from the other servers answers until it notices that, which takes it 20 s at most (nats-server 2.15.3). So the
// copy of a node that is cut off with it may be that much older than engine.MaxStateAge says. To ask with a request that goes through
// Raft, as logread.Leader.Applied, would help, but the server counts each answer to that as an error. A shorter age would refuse clients
// for no reason: to elect a leader may take 9 s.
func (e *Engine) proveState(ctx context.Context) error {
	asked := time.Now()
	last, err := e.stateLeader.Last(ctx, state.Stream, state.Subjects)
	if err != nil && !errors.Is(err, logread.ErrNone) {
		return err
	}
	e.state.Prove(last.Seq, asked)
	return nil
}

// stateBroken is called when the consumer that feeds the copy has failed.
func (e *Engine) stateBroken(err error) {
	if e.moving.suspended.Load() {
		return // the state is read again when the store is open again
	}
	e.failed("the state is read again, because changes may be missing", "", err)
	e.wakeState()
}

// tellChange tells the other nodes a change of the State that this node has made.
func (e *Engine) tellChange(c frames.Change) {
	if e.made.Load() {
		e.cluster.TellChange(c)
	}
}

// wakeState makes keepState look at once.
func (e *Engine) wakeState() {
	select {
	case e.stateWake <- struct{}{}:
	default: // it will
	}
}

// StateIsOld implements engine.Copier. A node that owns its store has every change that was confirmed, however long the
// store is away: nobody else changes the State.
func (e *Engine) StateIsOld() bool {
	at := e.state.Proved()
	return at.IsZero() || !e.cfg.Sole && time.Since(at) > e.cfg.maxStateAge
}

// maxPuts is how often a node tries to write a cut or a stub while other nodes change what it depends on.
const maxPuts = 8

// put writes an entry, and waits until that is done.
func (e *Engine) put(entry engine.Entry) error {
	return e.wait(func(done func(error)) { e.write(entry, func(_ uint64, err error) { done(err) }) })
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

// change begins a call that changes something, as soon as calls may begin. Its done ends it.
func (e *Engine) change(done func(error), f func(done func(error))) {
	inside := func(err error) {
		done(err)
		e.calls.Leave()
	}
	if e.calls.Enter() {
		f(inside)
		return
	}
	e.calls.Wait(func(err error) {
		if err != nil {
			inside(err)
			return
		}
		f(inside)
	})
}

// changeOnJob is change for a function that waits for the store.
func (e *Engine) changeOnJob(done func(error), f func() error) {
	e.change(done, func(done func(error)) {
		if err := e.unwritable(); err != nil {
			done(err)
			return
		}
		e.jobs.Go(func() { done(f()) })
	})
}

// Put implements engine.State.
func (e *Engine) Put(entry engine.Entry, done func(version uint64, err error)) {
	var version uint64
	e.change(func(err error) { done(version, err) }, func(done func(error)) {
		e.write(entry, func(v uint64, err error) { version = v; done(err) })
	})
}

// write is Put in an engine that does not move.
func (e *Engine) write(entry engine.Entry, done func(version uint64, err error)) {
	if err := e.unwritable(); err != nil {
		done(0, err)
		return
	}
	e.state.Put(entry, done)
}

// Delete implements engine.State.
func (e *Engine) Delete(k engine.Key, version uint64, done func(error)) {
	e.change(done, func(done func(error)) { e.delete(k, version, done) })
}

// delete is Delete in an engine that does not move.
func (e *Engine) delete(k engine.Key, version uint64, done func(error)) {
	if err := e.unwritable(); err != nil {
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
