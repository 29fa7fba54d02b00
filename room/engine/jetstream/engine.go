package jetstream

import (
	"cmp"
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"webim/netpoll/ratelog"
	"webim/room/budget"
	"webim/room/engine"
	"webim/room/engine/jetstream/internal/acks"
	"webim/room/engine/jetstream/internal/cluster"
	"webim/room/engine/jetstream/internal/codec"
	"webim/room/engine/jetstream/internal/cuts"
	"webim/room/engine/jetstream/internal/daily"
	"webim/room/engine/jetstream/internal/durable"
	"webim/room/engine/jetstream/internal/erasures"
	"webim/room/engine/jetstream/internal/flights"
	"webim/room/engine/jetstream/internal/gate"
	"webim/room/engine/jetstream/internal/ids"
	"webim/room/engine/jetstream/internal/inbox"
	"webim/room/engine/jetstream/internal/jobs"
	"webim/room/engine/jetstream/internal/keys"
	"webim/room/engine/jetstream/internal/logread"
	"webim/room/engine/jetstream/internal/recent"
	"webim/room/engine/jetstream/internal/retire"
	"webim/room/engine/jetstream/internal/roomlog"
	"webim/room/engine/jetstream/internal/seal"
	"webim/room/engine/jetstream/internal/state"
	"webim/room/engine/jetstream/internal/streams"
	"webim/room/engine/jetstream/internal/subject"
	"webim/room/engine/jetstream/internal/wiping"
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
	// Classes is another text whenever Keep may return another Age for a room than before. Then Open looks for
	// rooms that have changed their class: they get a new epoch.
	Classes string

	Replicas int // of each stream; 0: 1
	// Unclean says that the machine ended without stopping the store, so the last messages may be lost:
	// each room gets a new epoch. Only the owner of an embedded store may set it.
	Unclean bool

	// Sole says that no other node writes to the store, as to an embedded one: then the copy of the State is never old.
	Sole bool

	// Alone keeps this engine out of the nodes: it works on the store for a moment, as a command does. It
	// leaves the settings of streams and the classes of rooms as they are. Its methods of engine.Control fail.
	Alone bool

	// Held says that another process is still this node: the engine connects and reads, but other nodes do not hear of it, and it
	// changes nothing by itself until Thaw. Import follows.
	Held bool
	// Store, if not nil, is the store that moves with the node to another process: an embedded.Server.
	Store interface {
		Suspend() error
		Resume() error
	}

	// Commit, if not nil, calls done when all messages that are in a stream now are on the disk. Then a
	// publication is acknowledged and delivered only after that: embedded.Server.Commit.
	Commit func(stream string, done func(error))

	// SyncStream, if not nil, writes a stream to the disk, whose settings were changed: embedded.Server.SyncStream.
	SyncStream func(stream string) error

	// Full, if not nil, reports whether the log must not grow. Then publishing gets engine.ErrStoreFull, and
	// everything else goes on: embedded.Server.Full.
	Full func() bool

	// Err, if not nil, returns an error while nothing can be written. Then every write gets engine.ErrUnavailable at once,
	// messages that the store has not answered get engine.ErrUnknown soon, and everything else goes on:
	// embedded.Server.Err.
	Err func() error

	MaxRecent   int64         // bytes of the recent publications of all topics; 0: 64 MiB. Above it, those of some topics are forgotten, and read again from the log
	MaxState    int64         // bytes of all entries of the State, by engine.Entry.Cost; 0: 64 MiB; negative: no maximum. Above it, a write gets engine.ErrStateFull
	MaxUserKeys int64         // bytes of the users' keys in memory; 0: 64 MiB, enough for 50,000 users
	MaxPending  int           // publications that wait for the store; 0: 16,384. Above it, publishing gets engine.ErrUnavailable
	MaxDaily    int           // bytes that a payer may store in a day, in rooms that keep messages for longer than a day; 0: no limit. Above it, publishing gets engine.ErrStoreFull
	KeyWindow   time.Duration // how long the key of a message is known; 0: 1 min. After a kill the server reads all messages of this time, at 3 µs each
	MaxKeys     int           // number of keys that this node knows or has given to the store; 0: 65,536. Above it, a key is known only on this node, until it ends: see Stats

	Log *slog.Logger     // nil: slog.Default()
	Now func() time.Time // nil: time.Now

	nodes                                 cluster.Config // tests shorten its times
	sweep                                 time.Duration  // 0: sweepEvery
	empty                                 func() bool    // see logread.Config
	lookEvery                             time.Duration  // see wipe.go; 0: 10 s
	compareEvery, stateEvery, maxStateAge time.Duration  // 0: the constants
	maxKeyShare                           int            // see keys.Config
	unused                                unusedConfig
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

// unusedConfig shortens the times for tests. Zero values mean the defaults.
type unusedConfig struct {
	from  int           // keys in the store from which on unused ones are removed; 0: half of keys.MaxKeys
	every time.Duration // 0: collectEvery
	wait  time.Duration // 0: retire.Wait
	fresh time.Duration // 0: retire.Fresh
	most  int           // keys that a round names; 0: retire.MaxKeys
	// step is called before each step of a collector, with its name. With an error, the collector ends as if its node had.
	step func(e *Engine, name string) error
}

func (c unusedConfig) withDefaults() unusedConfig {
	c.from, c.every, c.most = cmp.Or(c.from, keys.MaxKeys/2), cmp.Or(c.every, collectEvery), cmp.Or(c.most, retire.MaxKeys)
	c.wait, c.fresh = cmp.Or(c.wait, retire.Wait), cmp.Or(c.fresh, retire.Fresh)
	if c.step == nil {
		c.step = func(*Engine, string) error { return nil }
	}
	return c
}

// sweepEvery is how often all topics are compared with the log: see package sweep. A message that a room lacks may be on
// its way, so it is read from the log only if the room still lacks it after a part of that time. A lost last publication
// arrives late by both.
const (
	sweepEvery = 5 * time.Second
	sweepGrace = 5 // parts
)

// stateEvery is how often a node makes sure that its copy of the State is current.
const stateEvery = 2 * time.Second

// compareEvery is how often a node compares the incarnations of its streams with those in the store. Another node may have
// renewed one, or this node has, and did not hear that the store has made the change.
const compareEvery = 30 * time.Second

// collectEvery is the time after which the log is read again for unused keys, at the earliest.
const collectEvery = 6 * time.Hour

// Engine implements engine.Engine on NATS JetStream. All methods are safe for concurrent use.
type Engine struct {
	cfg    Config
	log    *slog.Logger
	faults *ratelog.Logger // of faults that can happen for each room, or each message
	ctx    context.Context // ends with Close
	cancel context.CancelFunc

	nc          *nats.Conn
	js          jetstream.JetStream
	acks        *acks.Publisher
	state       *state.Store
	read        *logread.Reader
	streams     *streams.Opener
	jobs        *jobs.Pool
	cluster     *cluster.Cluster
	fills       flights.Group[*recent.Part]
	sinces      flights.Group[*recent.Part]
	openings    flights.Group[error]
	ends        flights.Group[error] // of rooms, as the leaders know them
	stateMu     sync.Mutex           // held while the stream of the State is opened and loaded
	inbox       *inbox.Inbox         // publications and notices, of all topics
	workers     sync.WaitGroup
	ending      sync.Once
	keys        *published.Keys
	unsaved     *published.Keys // those for which the store has no id
	unsavedKeys atomic.Int64    // how many there were
	ids         *ids.Limit
	cuts        cuts.All
	wipes       wiping.List
	codec       *codec.Codec
	logs        *roomlog.Reader
	disk        *durable.Disk
	userKeys    *keys.Store
	ring        *seal.Ring             // the keys of users, in memory
	erased      *erasures.List         // the users that were erased
	erasures    atomic.Int64           // how often this node has forgotten a user
	unused      unused                 // keys that are being removed
	recent      *recent.Memory         // of the recent publications of all topics
	made        atomic.Bool            // acks, state and cluster are there
	isLost      atomic.Bool            // the connection was lost, and the store is not open again
	reconnects  atomic.Int64           // with which back has not dealt; above 0, a job runs back or will
	down        atomic.Pointer[string] // why the store cannot be used; nil: it can

	topics         *table
	unacknowledged *budget.Pool  // bytes of messages that have not ended
	reads          *budget.Pool  // number of reads of the log that have not ended
	stored         *daily.Shares // bytes of messages that are kept for long
	newKeys        *daily.Shares // of users
	following      atomic.Bool   // topics follow changes of the State
	stateKnown     streams.Known // the sequences that this node knows of; guarded by stateMu
	stateLeader    logread.Leader
	stateWake      chan struct{} // see wakeState

	calls  gate.Gate // counts publications and changes that are under way
	moving moving

	mu      sync.RWMutex
	classes map[subject.Class]*class
}

// unused is what a node knows of keys that are being removed.
type unused struct {
	view    retire.View
	stored  atomic.Int64 // keys in the store, when they were last counted
	recount atomic.Bool  // keys were removed since they were counted
}

// moving is the state of a move.
type moving struct {
	mu           sync.Mutex // held while the engine moves
	frozen       bool
	stateFrozen  bool
	held         bool // Config.Held, until Thaw
	stopped      time.Time
	interruption time.Duration

	suspended atomic.Bool                   // the store was closed by Freeze
	opened    atomic.Pointer[chan struct{}] // closed when the store is open again
}

func (e *Engine) now() time.Time { return e.cfg.Now() }
