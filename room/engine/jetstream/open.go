package jetstream

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"

	"webim/netpoll/ratelog"
	"webim/room/budget"
	"webim/room/engine"
	"webim/room/engine/jetstream/internal/acks"
	"webim/room/engine/jetstream/internal/cluster"
	"webim/room/engine/jetstream/internal/cuts"
	"webim/room/engine/jetstream/internal/daily"
	"webim/room/engine/jetstream/internal/durable"
	"webim/room/engine/jetstream/internal/ids"
	"webim/room/engine/jetstream/internal/jobs"
	"webim/room/engine/jetstream/internal/keys"
	"webim/room/engine/jetstream/internal/recent"
	"webim/room/engine/jetstream/internal/retire"
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
	e := &Engine{cfg: cfg, log: cfg.Log, faults: ratelog.New(cfg.Log), jobs: jobs.New(maxJobs), incoming: make(chan *nats.Msg, maxIncoming), stateWake: make(chan struct{}, 1),
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
	close(e.incoming)
	e.workers.Wait()
}

func (c Config) withDefaults() Config {
	c.Replicas = cmp.Or(c.Replicas, 1)
	c.MaxRecent = cmp.Or(c.MaxRecent, 64<<20)
	c.MaxState = cmp.Or(c.MaxState, 64<<20)
	c.MaxDaily = cmp.Or(c.MaxDaily, -1)
	c.MaxPending = cmp.Or(c.MaxPending, 16_384)
	c.KeyWindow = cmp.Or(c.KeyWindow, time.Minute)
	c.MaxKeys = cmp.Or(c.MaxKeys, 65_536)
	c.sweep = cmp.Or(c.sweep, sweepEvery)
	c.compareEvery, c.stateEvery = cmp.Or(c.compareEvery, compareEvery), cmp.Or(c.stateEvery, stateEvery)
	c.maxStateAge = cmp.Or(c.maxStateAge, engine.MaxStateAge)
	c.lookEvery = cmp.Or(c.lookEvery, 10*time.Second)
	c.unused = c.unused.withDefaults()
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}
