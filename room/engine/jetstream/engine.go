package jetstream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"webim/room/budget"
	"webim/room/engine"
	"webim/room/engine/jetstream/internal/acks"
	"webim/room/engine/jetstream/internal/cluster"
	"webim/room/engine/jetstream/internal/jobs"
	"webim/room/engine/jetstream/internal/keys"
	"webim/room/engine/jetstream/internal/logread"
	"webim/room/engine/jetstream/internal/seal"
	"webim/room/engine/jetstream/internal/state"
	"webim/room/engine/published"
)

// Config are the settings of an Engine. Zero values mean the defaults.
type Config struct {
	// Connect opens a connection with these options and its own: embedded.Server.Connect, or nats.Connect
	// with an address.
	Connect func(opts ...nats.Option) (*nats.Conn, error)
	// Keep tells how much of a room's log is kept. Age decides about the stream in which the room is
	// stored: 0 is for ever. nil: 100 messages, 1 MiB, 5 minutes.
	Keep func(room string) engine.Retention
	// Ages are the values of Retention.Age that Keep returns. Their streams are opened at the start; those
	// of other values are opened when a room needs them.
	Ages []time.Duration

	Replicas int   // of each stream; 0: 1
	MaxStore int64 // bytes of each stream; 0: as much as the server permits. Above it, publishing gets engine.ErrStoreFull
	// Unclean says that the machine ended without stopping the store, so the last messages may be lost:
	// each room gets a new epoch. Only the owner of an embedded store may set it.
	Unclean bool

	// Commit, if not nil, calls done when all messages that are in a stream now are on the disk. Then a
	// publication is acknowledged and delivered only after that: embedded.Server.Commit.
	Commit func(stream string, done func(error))

	MaxRecent   int64         // bytes of the recent publications of all topics; 0: 64 MiB. Above it, those of some topics are forgotten, and read again from the log
	MaxState    int64         // bytes of all entries of the State, by engine.Entry.Cost; 0: 64 MiB; negative: no maximum. Above it, a write gets engine.ErrStateFull
	MaxUserKeys int64         // bytes of the users' keys in memory; 0: 64 MiB, enough for 50,000 users
	MaxPending  int           // publications that wait for the store; 0: 16,384. Above it, publishing gets engine.ErrUnavailable
	KeyWindow   time.Duration // how long the key of a message is known; 0: 2 min
	MaxKeys     int           // number of keys that this node knows or has given to the store; 0: 65,536

	Log *slog.Logger     // nil: slog.Default()
	Now func() time.Time // nil: time.Now

	nodes cluster.Config // tests shorten its times
}

func (c Config) withDefaults() Config {
	c.Replicas = cmp.Or(c.Replicas, 1)
	c.MaxStore = cmp.Or(c.MaxStore, -1)
	c.MaxRecent = cmp.Or(c.MaxRecent, 64<<20)
	c.MaxState = cmp.Or(c.MaxState, 64<<20)
	c.MaxPending = cmp.Or(c.MaxPending, 16_384)
	c.KeyWindow = cmp.Or(c.KeyWindow, 2*time.Minute)
	c.MaxKeys = cmp.Or(c.MaxKeys, 65_536)
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

// Engine implements engine.Engine on NATS JetStream. All methods are safe for concurrent use.
type Engine struct {
	cfg     Config
	log     *slog.Logger
	started time.Time
	ctx     context.Context // ends with Close
	cancel  context.CancelFunc

	nc       *nats.Conn
	js       jetstream.JetStream
	acks     *acks.Publisher
	state    *state.Store
	read     *logread.Reader
	jobs     *jobs.Pool
	cluster  *cluster.Cluster
	fills    flights[*filled]
	openings flights[error]
	openMu   sync.Mutex     // held while a stream is opened
	incoming chan *nats.Msg // publications and notices, of all topics
	workers  sync.WaitGroup
	ending   sync.Once
	keys     *published.Keys
	ids      *ids
	cuts     cuts
	userKeys *keys.Store
	ring     *seal.Ring             // the keys of users, in memory
	erasures atomic.Int64           // how often this node has forgotten a user
	recent   atomic.Int64           // bytes of the recent publications of all topics
	evicting atomic.Bool            // a job forgets some of them
	made     atomic.Bool            // acks, state and cluster are there
	down     atomic.Pointer[string] // why the store cannot be used; nil: it can

	following    atomic.Bool // topics follow changes of the State
	stateRenewed bool        // as class.renewed; guarded by openMu

	mu      sync.RWMutex
	classes map[time.Duration]*class
	topics  map[string]*topic // by room
	lives   map[string]*topic // by the subject on which the server sends
	hints   map[string]tip    // rooms without a topic in which this node has published
}

// Open connects to the store and opens its streams. It fails if the server cannot be reached, is too old,
// or has a store of a newer format.
func Open(ctx context.Context, cfg Config) (*Engine, error) {
	cfg = cfg.withDefaults()
	e := &Engine{cfg: cfg, log: cfg.Log, started: cfg.Now(), jobs: jobs.New(maxJobs), incoming: make(chan *nats.Msg, maxIncoming),
		classes: map[time.Duration]*class{}, topics: map[string]*topic{}, lives: map[string]*topic{}, hints: map[string]tip{},
		keys: published.New(cfg.KeyWindow, cfg.MaxKeys), ids: &ids{window: cfg.KeyWindow, pool: budget.NewPool(int64(cfg.MaxKeys))}}
	e.ctx, e.cancel = context.WithCancel(context.Background())
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

// minServer is the oldest server that this engine works with.
const minServer = "2.12.0"

func (e *Engine) open(ctx context.Context) (err error) {
	e.nc, err = e.cfg.Connect(nats.ReconnectBufSize(-1), nats.MaxReconnects(-1), nats.ReconnectWait(100*time.Millisecond), nats.RetryOnFailedConnect(false),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) { e.lost(err) }),
		nats.ReconnectHandler(func(*nats.Conn) { e.jobs.Go(e.back) }),
		nats.ErrorHandler(e.onError))
	if err != nil {
		return fmt.Errorf("jetstream: %w", err)
	}
	if v := e.nc.ConnectedServerVersion(); !newEnough(v) {
		return fmt.Errorf("jetstream: the NATS server has version %s: webim needs %s or newer", v, minServer)
	}
	if e.nc.MaxPayload() < minPayload {
		return fmt.Errorf("jetstream: the NATS server takes messages of up to %d bytes: set its max_payload to %d or more", e.nc.MaxPayload(), minPayload)
	}
	if e.js, err = jetstream.New(e.nc); err != nil {
		return fmt.Errorf("jetstream: %w", err)
	}
	e.read = logread.New(e.nc, logread.Config{})
	if e.acks, err = acks.New(e.nc, acks.Config{MaxPending: e.cfg.MaxPending}); err != nil {
		return fmt.Errorf("jetstream: %w", err)
	}
	e.state, err = state.New(e.nc, e.js, e.read, state.Config{Max: e.cfg.MaxState, Now: e.cfg.Now, Log: e.log, Go: e.jobs.Go, Broken: e.stateBroken,
		Commit: func(done func(error)) { e.whenStored(state.Stream, done) }})
	if err != nil {
		return fmt.Errorf("jetstream: %w", err)
	}
	if e.userKeys, err = keys.Open(ctx, e.nc, keys.Config{Replicas: e.cfg.Replicas, Commit: e.cfg.Commit}); err != nil {
		return fmt.Errorf("jetstream: %w", err)
	}
	e.ring = seal.NewRing(seal.Config{Store: e.userKeys, MaxBytes: e.cfg.MaxUserKeys})
	e.state.Watch(tableErased, e.erasedChanged)
	e.state.Watch(tableCut, e.cutChanged)
	e.state.Watch(tableRedacted, e.redactedChanged)
	for _, age := range e.cfg.Ages {
		e.classOf(age)
	}
	e.workers.Go(e.dispatch)
	nodes := e.cfg.nodes
	nodes.Subscribers, nodes.Log = e.subscribers, e.log
	e.cluster = cluster.New(e.nc, nodes)
	e.made.Store(true)
	if err := e.cluster.Start(ctx); err != nil {
		return fmt.Errorf("jetstream: %w", err)
	}
	if err := e.check(ctx); err != nil {
		return err
	}
	e.following.Store(true) // before that, there are no topics
	return nil
}

// minPayload is the least size of a message that the server must take: one of 1 MiB in its envelope.
const minPayload = 1<<20 + 64<<10

// newEnough reports whether a server's version is minServer or newer.
func newEnough(version string) bool {
	var is, least [3]int
	if _, err := fmt.Sscanf(version, "%d.%d.%d", &is[0], &is[1], &is[2]); err != nil {
		return false
	}
	fmt.Sscanf(minServer, "%d.%d.%d", &least[0], &least[1], &least[2])
	return slices.Compare(is[:], least[:]) >= 0
}

// Close ends the engine. Callbacks of calls under way may still come, or never. A second call does nothing.
func (e *Engine) Close() { e.ending.Do(e.close) }

func (e *Engine) close() {
	e.cancel()
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

// lost is called when the connection is lost.
func (e *Engine) lost(err error) {
	if e.ctx.Err() != nil || !e.made.Load() {
		return // Close was called, or Open fails by itself
	}
	e.setDown("the connection to NATS is lost")
	e.log.Warn("the connection to NATS is lost: members stay connected, and nothing can be sent", "err", err)
	e.acks.Lost()
	e.cluster.Lost()
	e.state.Lost()
}

// back is called when the connection is up again.
func (e *Engine) back() {
	if !e.made.Load() {
		return
	}
	err := e.cluster.Back(e.ctx)
	if err == nil {
		err = e.check(e.ctx)
	}
	if err != nil {
		e.failed("the store cannot be opened again", "", err)
		e.jobs.After(retry, e.back)
		return
	}
	e.log.Info("the connection to NATS is up again")
}

// check opens all streams, loads the State, and then lets topics look for what they have missed.
func (e *Engine) check(ctx context.Context) error {
	e.mu.RLock()
	all := slices.Collect(maps.Values(e.classes))
	e.mu.RUnlock()
	for _, c := range all {
		if err := e.openClass(ctx, c); err != nil {
			e.setDown(err.Error())
			return err
		}
	}
	if err := e.openState(ctx); err != nil {
		e.setDown(err.Error())
		return err
	}
	e.down.Store(nil)
	e.mu.RLock()
	defer e.mu.RUnlock()
	for _, t := range e.topics {
		e.jobs.Go(t.check)
	}
	return nil
}

func (e *Engine) setDown(why string) { e.down.Store(&why) }

// unavailable returns engine.ErrUnavailable while the store cannot be used.
func (e *Engine) unavailable() error {
	if e.down.Load() != nil {
		return engine.ErrUnavailable
	}
	return nil
}

// Health implements engine.Healther.
func (e *Engine) Health() (ok bool, why string) {
	if down := e.down.Load(); down != nil {
		return false, *down
	}
	return true, ""
}

// onError is called by the library. If it had to drop messages, their topic looks for them.
func (e *Engine) onError(_ *nats.Conn, sub *nats.Subscription, err error) {
	if errors.Is(err, nats.ErrSlowConsumer) && sub != nil {
		if t := e.liveTopic(sub.Subject); t != nil {
			e.jobs.Go(t.check)
		}
	}
	e.failed("NATS reports an error", "", err)
}

// failed logs an error.
func (e *Engine) failed(what, room string, err error) {
	if e.ctx.Err() != nil {
		return
	}
	e.log.Warn(what, "room", room, "err", err)
}

// maxBatch is how many messages dispatch takes at once. With Config.Commit they wait for one commit.
const maxBatch = 1024

// dispatch gives what the server sends to the topics.
func (e *Engine) dispatch() {
	batch := make([]*nats.Msg, 0, maxBatch)
	for m := range e.incoming {
		batch = append(batch[:0], m)
	more:
		for len(batch) < maxBatch {
			select {
			case m, ok := <-e.incoming:
				if !ok {
					break more
				}
				batch = append(batch, m)
			default:
				break more
			}
		}
		failed := e.commitAll(batch)
		for i, m := range batch {
			e.arrived(m, failed[m.Header.Get(hdrStream)])
			batch[i] = nil
		}
	}
}

// arrived gives one message to its topic. If it may not be delivered yet, the topic reads it from the log
// later.
func (e *Engine) arrived(m *nats.Msg, later bool) {
	t := e.liveTopic(m.Subject)
	if t == nil {
		return
	}
	seq, err := strconv.ParseUint(m.Header.Get(hdrSeq), 10, 64)
	if err != nil {
		e.notice(t, m)
		return
	}
	if later {
		t.reaches(seq)
		return
	}
	prev, _ := strconv.ParseUint(m.Header.Get(hdrPrev), 10, 64)
	t.arrived(seq, prev, m.Data)
}

// The headers of what the server sends for a stored message.
const (
	hdrStream = "Nats-Stream"
	hdrSeq    = "Nats-Sequence"
	hdrPrev   = "Nats-Last-Sequence"
)

func (e *Engine) topic(room string) *topic {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.topics[room]
}

func (e *Engine) liveTopic(subject string) *topic {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.lives[subject]
}

// Subscribe implements engine.Log. Begin is called when the store has answered.
func (e *Engine) Subscribe(room string, _ budget.Owner, s engine.Subscriber) {
	c := e.class(room)
	e.mu.Lock()
	t := e.topics[room]
	if t == nil || !t.subscribe(s) {
		t = &topic{e: e, room: room, class: c, subj: c.subject(room), live: c.live(room), subs: []engine.Subscriber{s}}
		e.topics[room], e.lives[t.live] = t, t
		delete(e.hints, room)
		e.jobs.Go(t.load)
	}
	e.mu.Unlock()
}

// Unsubscribe implements engine.Log.
func (e *Engine) Unsubscribe(room string, s engine.Subscriber) {
	e.mu.Lock()
	defer e.mu.Unlock()
	t := e.topics[room]
	if t == nil || !t.unsubscribe(s) {
		return
	}
	delete(e.topics, room)
	delete(e.lives, t.live)
	e.jobs.Go(t.unload)
}

// ready opens the stream of a class, if that was not done yet. It may wait.
func (e *Engine) ready(c *class) error {
	if c.incarnation.Load() != nil {
		return nil
	}
	return e.outcome(e.openClass(e.ctx, c))
}

// whenReady opens the stream of a class on a job, and calls f in the order of the callers.
func (e *Engine) whenReady(c *class, f func(error)) {
	e.openings.do(c.stream, e.jobs.Go, func() error { return e.ready(c) }, f)
}

// epochOf returns the epoch of a room, and the offset up to which its history was removed.
func (e *Engine) epochOf(c *class, room string) (epoch string, offset uint64) {
	if name := c.incarnation.Load(); name != nil {
		epoch = *name
	}
	cut := e.cuts.get(room, c.token)
	return epochName(epoch, cut.times), cut.offset
}

// addRecent counts bytes of recent publications. Above the limit, a job forgets those of some topics.
func (e *Engine) addRecent(n int64) {
	if e.recent.Add(n) > e.cfg.MaxRecent && n > 0 && e.evicting.CompareAndSwap(false, true) {
		e.jobs.Go(e.evict)
	}
}

// evict forgets the recent publications of some topics, in no order, until an eighth of the limit is free.
// The next reader reads them from the log.
func (e *Engine) evict() {
	defer e.evicting.Store(false)
	e.mu.RLock()
	all := slices.Collect(maps.Values(e.topics))
	e.mu.RUnlock()
	for _, i := range rand.Perm(len(all)) {
		if e.recent.Load() <= e.cfg.MaxRecent*7/8 {
			return
		}
		all[i].forgetRecent()
	}
}

// lastOf reads the end of a room's log. It may wait.
func (e *Engine) lastOf(c *class, room string) (tip, error) {
	one, err := e.last(c, room)
	if err != nil && !errors.Is(err, logread.ErrNone) {
		return tip{}, e.outcome(err)
	}
	_, cut := e.epochOf(c, room)
	switch {
	case err == nil && one.Seq >= cut:
		return tipOf(one.Seq, one.Data), nil
	case err == nil:
		return tip{offset: cut}, nil
	}
	// The room may have had publications that became too old. Who has seen those before the last of them has
	// missed some, so the room does not begin at 0.
	gone, err := e.expired(c, room)
	return tip{offset: max(cut, gone)}, err
}

// expired returns the offset up to which a log has nothing left of a room, because it has become too old. It
// may wait.
func (e *Engine) expired(c *class, room string) (uint64, error) {
	gone := uint64(0)
	first, err := e.read.Next(e.ctx, c.stream, ">", 1)
	switch {
	case err == nil:
		gone = first.Seq - 1
	case errors.Is(err, logread.ErrNone): // nothing is left, or nothing was ever published
		if gone, err = c.emptyAt(e); err != nil {
			return 0, err
		}
	default:
		return 0, e.outcome(err)
	}
	if stub, ok := e.stubFrom(c, room, 1); ok && stub.Seq <= gone {
		return stub.Seq - 1, nil // redacted publications are not in the stream, and not too old
	}
	return gone, nil
}

// outcome returns the error of package engine for an error of the store.
func (e *Engine) outcome(err error) error {
	var refused *acks.Refusal
	switch {
	case err == nil || errors.Is(err, logread.ErrNone):
		return err
	case errors.Is(err, acks.ErrUnknown):
		return fmt.Errorf("%w: %w", engine.ErrUnknown, err)
	case errors.As(err, &refused) && refused.IsFull():
		return fmt.Errorf("%w: %w", engine.ErrStoreFull, err)
	case errors.Is(err, acks.ErrUnavailable), errors.Is(err, logread.ErrUnavailable), errors.Is(err, seal.ErrBusy), errors.As(err, &refused):
		return fmt.Errorf("%w: %w", engine.ErrUnavailable, err)
	}
	return err
}

// clock returns the engine's clock, in nanoseconds.
func (e *Engine) clock() int64 { return int64(e.cfg.Now().Sub(e.started)) }

func (e *Engine) now() time.Time { return e.cfg.Now() }

// keepOf returns how much of a room's log is kept: asked, or what the settings say.
func (e *Engine) keepOf(room string, asked *engine.Retention) *engine.Retention {
	if asked != nil {
		return asked
	}
	keep := e.keep(room)
	return &keep
}
