package jetstream

import (
	"context"
	"fmt"

	"webim/netpoll/ratelog"
	"webim/room/budget"
	"webim/room/engine"
	"webim/room/engine/jetstream/internal/acks"
	"webim/room/engine/jetstream/internal/cluster"
	"webim/room/engine/jetstream/internal/codec"
	"webim/room/engine/jetstream/internal/cuts"
	"webim/room/engine/jetstream/internal/daily"
	"webim/room/engine/jetstream/internal/durable"
	"webim/room/engine/jetstream/internal/ids"
	"webim/room/engine/jetstream/internal/inbox"
	"webim/room/engine/jetstream/internal/jobs"
	"webim/room/engine/jetstream/internal/keys"
	"webim/room/engine/jetstream/internal/recent"
	"webim/room/engine/jetstream/internal/retire"
	"webim/room/engine/jetstream/internal/roomlog"
	"webim/room/engine/jetstream/internal/seal"
	"webim/room/engine/jetstream/internal/state"
	"webim/room/engine/jetstream/internal/streams"
	"webim/room/engine/jetstream/internal/stubs"
	"webim/room/engine/jetstream/internal/subject"
	"webim/room/engine/published"
)

// Open connects to the store and opens its streams. It fails if the server cannot be reached, is too old,
// or has a store of a newer format.
func Open(ctx context.Context, cfg Config) (*Engine, error) {
	cfg = cfg.withDefaults()
	e := &Engine{cfg: cfg, log: cfg.Log, faults: ratelog.New(cfg.Log), jobs: jobs.New(maxJobs), inbox: inbox.New(maxIncoming), stateWake: make(chan struct{}, 1),
		classes: map[subject.Class]*class{}, topics: newTable(),
		unacknowledged: budget.NewPool(maxUnacknowledged), reads: budget.NewPool(maxReads), stored: daily.New(cfg.MaxDaily, cfg.Now()), newKeys: daily.New(maxNewKeys, cfg.Now()), keys: published.New(cfg.KeyWindow, cfg.MaxKeys), unsaved: published.New(cfg.KeyWindow, cfg.MaxKeys), ids: ids.NewLimit(cfg.KeyWindow, cfg.MaxKeys)}
	e.recent = recent.NewMemory(cfg.MaxRecent, cfg.Now, func() { e.jobs.Go(e.evict) })
	e.ctx, e.cancel = context.WithCancel(context.Background())
	e.disk = durable.New(e.ctx, cfg.Commit)
	e.moving.held = cfg.Held
	if err := e.open(ctx); err != nil {
		e.Close()
		return nil, err
	}
	return e, nil
}

// maxJobs is the number of jobs that run at a time, and maxIncoming the number of messages that wait for
// their topics. Above it the library drops them, and they are read from the log.
const (
	maxJobs     = 64
	maxIncoming = 1 << 16
)

// makeReaders makes the parts that open the messages of the log, and follows the State for that.
func (e *Engine) makeReaders() {
	e.ring = seal.NewRing(seal.Config{Store: e.userKeys, Guard: guard{e}, MaxBytes: e.cfg.MaxUserKeys})
	e.codec = codec.New(e.ctx, e.ring, e.erased.Since)
	e.logs = roomlog.New(e.ctx, roomlog.Config{Messages: e.read, Stubs: e.stubs(), Codec: e.codec, Now: e.now, Known: e.noOlder,
		Epoch:   func(c subject.Class, room string) (string, uint64) { return e.epochOf(e.named(c), room) },
		Empty:   func(c subject.Class) (uint64, error) { return e.emptyAt(e.named(c)) },
		Damaged: func(room string, err error) { e.failed("a publication cannot be read and is left out", room, err) }})
	e.state.Watch(engine.TableErased, e.erasedChanged)
	e.state.Watch(cuts.Table, e.cutChanged)
	e.state.Watch(stubs.Table, e.redactedChanged)
	e.state.Watch(retire.Table, e.roundChanged)
}

func (e *Engine) open(ctx context.Context) (err error) {
	if err := e.connect(); err != nil {
		return err
	}
	if e.acks, err = acks.New(e.nc, acks.Config{MaxPending: e.cfg.MaxPending, Silent: e.isSilent}); err != nil {
		return fmt.Errorf("jetstream: %w", err)
	}
	e.state, err = state.New(e.nc, e.js, e.read, state.Config{Max: e.cfg.MaxState, Apart: []string{engine.TableErased, cuts.Table, stubs.Table, retire.Table}, Now: e.cfg.Now, Log: e.log, Go: e.jobs.Go, Broken: e.stateBroken, Silent: e.isSilent,
		Commit: func(done func(error)) { e.disk.Then(state.Stream, done) }, Tell: e.tellChange})
	if err != nil {
		return fmt.Errorf("jetstream: %w", err)
	}
	err = streams.UntilReady(ctx, func(ctx context.Context) error {
		e.userKeys, err = keys.Open(ctx, e.nc, keys.Config{Replicas: e.cfg.Replicas, MaxShare: e.cfg.maxKeyShare, Fixed: e.cfg.Alone, Sole: e.sole(), Commit: e.cfg.Commit, Sync: e.cfg.SyncStream, Log: e.log})
		return err
	})
	if err == nil {
		err = streams.UntilReady(ctx, e.openErased)
	}
	if err != nil {
		return fmt.Errorf("jetstream: %w", err)
	}
	e.makeReaders()
	for _, age := range e.cfg.Ages {
		e.classOf(age)
	}
	e.workers.Go(e.dispatch)
	nodes := e.cfg.nodes
	nodes.Subscribers, nodes.Tell, nodes.Changed, nodes.Log, nodes.Alone, nodes.Held = e.subscribers, e.tell, e.state.Ahead, e.log, e.cfg.Alone, e.cfg.Held
	e.cluster = cluster.New(e.nc, nodes)
	e.made.Store(true)
	if err := e.cluster.Start(ctx); err != nil {
		return fmt.Errorf("jetstream: %w", err)
	}
	if err := streams.UntilReady(ctx, e.check); err != nil {
		return err
	}
	e.following.Store(true) // before that, there are no topics
	e.workers.Go(e.keepState)
	if e.cfg.Held {
		return nil
	}
	if err := streams.UntilReady(ctx, e.followClasses); err != nil {
		return err
	}
	e.work()
	return nil
}

// Close ends the engine. Callbacks of calls under way may still come, or never. A second call does nothing.
func (e *Engine) Close() { e.ending.Do(e.close) }

func (e *Engine) close() {
	e.cancel()
	e.leaveFrozen()
	if e.acks != nil {
		e.acks.Close()
	}
	e.jobs.Close()
	if e.cluster != nil {
		e.cluster.Close()
	}
	if e.state != nil {
		e.state.Close()
	}
	if e.userKeys != nil {
		e.userKeys.Close()
	}
	if e.nc != nil {
		e.nc.Close()
	}
	close(e.inbox.C)
	e.workers.Wait()
}

// Release implements engine.Movable. It ends the engine.
func (e *Engine) Release() {
	e.cluster.Leave()
	e.setDown("this node has moved to another process")
	e.calls.Close(engine.ErrUnavailable)
	e.Close()
}

// leaveFrozen ends the parts that Freeze has stopped.
func (e *Engine) leaveFrozen() {
	e.moving.mu.Lock()
	defer e.moving.mu.Unlock()
	if e.moving.stateFrozen {
		e.moving.stateFrozen = false
		e.state.Leave()
	}
}
