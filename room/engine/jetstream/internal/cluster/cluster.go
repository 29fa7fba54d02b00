package cluster

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"webim/netpoll/ratelog"
	"webim/room/engine"
	"webim/room/engine/hubs"
	"webim/room/engine/jetstream/internal/frames"
	"webim/room/engine/jetstream/internal/jobs"
	"webim/room/engine/jetstream/internal/told"
)

// Config are the settings of a Cluster. Zero values mean the defaults.
type Config struct {
	// Subscribers returns the subscribers of a room on this node.
	Subscribers func(room string) []engine.Subscriber
	// Tell gives a join or a leave to the subscribers of a room on this node.
	Tell func(room string, n engine.Notice)
	// Changed is called with each change of the State that another node tells. It must not block.
	Changed func(frames.Change)

	Beat     time.Duration // between the beats of a node; 0: 1 s
	Lease    time.Duration // after which a node that was not heard is dead; 0: 5 s
	Patience time.Duration // how long a question waits for the nodes; 0: 2 s
	Log      *slog.Logger  // nil: slog.Default()
	Alone    bool          // this is no node: no other one hears of it, and it asks none
	Held     bool          // another process is still this node: see Thaw
}

// The subjects.
const (
	subjectAlive   = "ctl.alive" // beats and farewells
	subjectHello   = "ctl.hello" // greetings
	subjectAsk     = "ctl.ask"   // questions
	subjectControl = "ctl.do"    // control messages, and changes of the State
)

// The limits of a node.
const (
	maxQuestions = 1024      // of this node in flight, and of others that wait here
	maxAnswer    = 16 << 20  // bytes of all answers to a question
	maxAnswers   = 128 << 20 // bytes of all answers to all questions
	maxPart      = 64 << 10  // bytes of a part of an answer
	maxIn        = 4096      // messages that wait to be handled
	maxPeers     = 4096
)

// Cluster is this node among the others. All methods are safe for concurrent use.
type Cluster struct {
	cfg     Config
	nc      *nats.Conn
	id      string // immutable; of a node that has moved, after Import
	log     *slog.Logger
	faults  *ratelog.Logger // of messages that others may send as often as they like
	hubs    hubs.List
	work    *jobs.Pool // questions and the ends of questions
	apply   *jobs.Pool // control messages, and changes of the State: one at a time
	telling *jobs.Pool // joins and leaves: one at a time
	told    *told.Members
	inbox   string // prefix of the subjects for answers
	in      chan *nats.Msg
	out     chan sending
	calls   chan func() // the goroutine that reads runs them
	stop    chan struct{}
	done    sync.WaitGroup
	subs    []*nats.Subscription // immutable after Start

	applied  applied            // owned by the jobs of apply
	frozen   bool               // owned by the goroutine that reads, as kept is
	kept     []*nats.Msg        // that have arrived while it was frozen
	guests   atomic.Int32       // questions, control messages and changes of other nodes that wait here
	owned    atomic.Int32       // control messages of this node that wait to be applied
	sketches recent[[]byte]     // the users of large rooms on this node
	counts   recent[count]      // of large rooms
	hello    *nats.Subscription // owned by Start and Back, which do not overlap

	mu                      sync.Mutex
	away                    bool // the connection is lost, or the other nodes are not known yet
	held                    bool // see Config.Held
	closed                  bool
	echo                    time.Time // when the last beat of this node came back
	deaf                    bool      // it did not come back for too long
	older                   older
	peers                   map[string]time.Time // when each node was heard
	comparing, compareAgain bool                 // see compare
	last                    uint64               // number of the last question
	asked                   map[uint64]*question
	bytes                   int // of answers to questions that have not ended
	waiting                 map[string][]func(count)
}

// New makes a node with a new id. It needs a connection without a reconnect buffer.
func New(nc *nats.Conn, cfg Config) *Cluster {
	cfg.Beat, cfg.Lease, cfg.Patience = cmp.Or(cfg.Beat, time.Second), cmp.Or(cfg.Lease, 5*time.Second), cmp.Or(cfg.Patience, 2*time.Second)
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	c := &Cluster{cfg: cfg, nc: nc, id: newID(), log: cfg.Log, faults: ratelog.New(cfg.Log), work: jobs.New(4), apply: jobs.New(1), telling: jobs.New(1), inbox: nats.NewInbox() + ".",
		in: make(chan *nats.Msg, maxIn), out: make(chan sending, maxIn), calls: make(chan func()), stop: make(chan struct{}), echo: time.Now(), older: older{since: time.Now()}, away: true, held: cfg.Held, frozen: cfg.Held,
		peers: map[string]time.Time{}, asked: map[uint64]*question{}, waiting: map[string][]func(count){}}
	c.told = told.New(told.Config{Tell: cfg.Tell, Go: c.telling.Go, Log: cfg.Log})
	return c
}

// newID returns an id that begins with the name of the host, for the reader of a log line.
func newID() string {
	host, err := os.Hostname()
	if err != nil {
		host = "node"
	}
	return host[:min(len(host), frames.MaxID-9)] + "/" + rand.Text()[:8]
}

// ID returns the id of this node, which is new after each start.
func (c *Cluster) ID() string { return c.id }

// Start begins to receive, and greets the other nodes. It returns when they know each other, or after a
// second. A node that is held only keeps the messages.
func (c *Cluster) Start(ctx context.Context) error {
	if c.cfg.Alone {
		return nil
	}
	for _, subject := range []string{c.inbox + "*", subjectAlive, subjectAsk, subjectControl} {
		sub, err := c.nc.ChanSubscribe(subject, c.in)
		if err != nil {
			return fmt.Errorf("cluster: %w", err)
		}
		c.subs = append(c.subs, sub)
	}
	c.done.Go(c.write)
	c.done.Go(c.read)
	if c.cfg.Held {
		return c.receiveHello()
	}
	return c.Back(ctx)
}

// Lost says that the connection is lost.
func (c *Cluster) Lost() {
	c.mu.Lock()
	c.away = true
	all := c.takeAllLocked()
	c.mu.Unlock()
	for _, q := range all {
		c.end(q, errAway)
	}
}

// Back says that the connection is up, perhaps again. It greets the other nodes, and may wait for them.
func (c *Cluster) Back(ctx context.Context) error {
	if c.cfg.Alone || c.isHeld() {
		return nil
	}
	if err := c.greet(ctx); err != nil {
		return fmt.Errorf("cluster: %w", err)
	}
	c.mu.Lock()
	c.away = false
	c.older = older{since: time.Now()} // whoever is still there is heard again
	c.mu.Unlock()
	c.compare()
	return nil
}

// Close says goodbye and ends the node. Calls under way get an error, or no callback at all. If another process is the node, it
// says nothing.
func (c *Cluster) Close() {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return
	}
	c.closed = true
	quiet := c.cfg.Alone || c.held
	c.mu.Unlock()
	c.Lost()
	close(c.stop)
	c.done.Wait()
	for _, sub := range append(c.subs, c.hello) {
		if sub != nil {
			_ = sub.Unsubscribe() // the connection may be closed already
		}
	}
	for _, pool := range c.pools() {
		pool.Close()
	}
	if !quiet && c.nc.Publish(subjectAlive, c.frame(frames.Bye, nil)) == nil {
		_ = c.nc.FlushTimeout(time.Second) // without it, the others notice the end when the lease is over
	}
}

// pools returns the pools in an order in which each gives jobs only to the later ones.
func (c *Cluster) pools() [3]*jobs.Pool { return [3]*jobs.Pool{c.work, c.apply, c.telling} }

// read handles what arrives. Nothing in it waits.
func (c *Cluster) read() {
	tick := time.NewTicker(c.cfg.Beat / 2)
	defer tick.Stop()
	for {
		select {
		case m := <-c.in:
			if c.frozen {
				c.keep(m)
			} else {
				c.arrived(m)
			}
		case f := <-c.calls:
			f()
		case <-tick.C:
			if !c.frozen {
				c.tick(time.Now())
			}
		case <-c.stop:
			return
		}
	}
}

// arrived handles a message.
func (c *Cluster) arrived(m *nats.Msg) {
	f, err := frames.Decode(m.Data)
	switch {
	case err != nil:
		c.unreadable(m, f.From, err)
	case f.From == c.id: // NATS sends a node what it has published
		c.mu.Lock()
		c.echo = time.Now()
		c.mu.Unlock()
	case f.Kind == frames.Bye:
		c.gone(f.From, true)
	case f.Kind == frames.Answer || f.Kind == frames.Refusal:
		c.heard(f.From)
		c.answered(m.Subject, f)
	case f.Kind == frames.Beat:
		if len(f.Body) == 0 {
			c.heardOlder(f.From)
		}
		if c.heard(f.From) {
			c.send(sending{subject: subjectAlive, data: c.beat()})
		}
	case f.Kind == frames.Hello:
		if unknown := c.heard(f.From); !unknown {
			c.compare() // it had lost its connection, and perhaps notices
		}
		c.send(sending{subject: m.Reply, data: c.frame(frames.Answer, frames.AppendIDs(nil, c.alive()))})
	default:
		c.heard(f.From)
		c.question(m.Reply, f)
	}
}
