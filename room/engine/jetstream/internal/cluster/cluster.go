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

	"webim/room/engine"
	"webim/room/engine/jetstream/internal/frames"
	"webim/room/engine/jetstream/internal/jobs"
)

// Config are the settings of a Cluster. Zero values mean the defaults.
type Config struct {
	// Subscribers returns the subscribers of a room on this node.
	Subscribers func(room string) []engine.Subscriber

	Beat     time.Duration // between the beats of a node; 0: 1 s
	Lease    time.Duration // after which a node that was not heard is dead; 0: 5 s
	Patience time.Duration // how long a question waits for the nodes; 0: 2 s
	Log      *slog.Logger  // nil: slog.Default()
}

// The subjects.
const (
	subjectAlive   = "ctl.alive" // beats and farewells
	subjectHello   = "ctl.hello" // greetings
	subjectAsk     = "ctl.ask"   // questions
	subjectControl = "ctl.do"    // control messages
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
	cfg    Config
	nc     *nats.Conn
	id     string
	log    *slog.Logger
	hubs   nodes
	work   *jobs.Pool // questions and the ends of questions
	apply  *jobs.Pool // control messages: one at a time
	inbox  string     // prefix of the subjects for answers
	in     chan *nats.Msg
	out    chan sending
	stop   chan struct{}
	done   sync.WaitGroup
	subs   []*nats.Subscription // immutable after Start
	ticked time.Time            // the last tick; owned by read

	applied  applied            // owned by the jobs of apply
	guests   atomic.Int32       // questions and control messages of other nodes that wait here
	owned    atomic.Int32       // control messages of this node that wait to be applied
	sketches recent[[]byte]     // the users of large rooms on this node
	counts   recent[count]      // of large rooms
	hello    *nats.Subscription // owned by Start and Back, which do not overlap

	mu      sync.Mutex
	away    bool // the connection is lost, or the other nodes are not known yet
	closed  bool
	peers   map[string]time.Time // when each node was heard
	last    uint64               // number of the last question
	asked   map[uint64]*question
	bytes   int // of answers to questions that have not ended
	waiting map[string][]func(count)
}

// sending is a message to write.
type sending struct {
	subject, reply string
	data           []byte
	q              *question // fails if the message cannot be written; may be nil
}

// New makes a node with a new id. It needs a connection without a reconnect buffer.
func New(nc *nats.Conn, cfg Config) *Cluster {
	cfg.Beat, cfg.Lease, cfg.Patience = cmp.Or(cfg.Beat, time.Second), cmp.Or(cfg.Lease, 5*time.Second), cmp.Or(cfg.Patience, 2*time.Second)
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	return &Cluster{cfg: cfg, nc: nc, id: newID(), log: cfg.Log, work: jobs.New(4), apply: jobs.New(1), inbox: nats.NewInbox() + ".",
		in: make(chan *nats.Msg, maxIn), out: make(chan sending, maxIn), stop: make(chan struct{}), ticked: time.Now(), away: true,
		peers: map[string]time.Time{}, asked: map[uint64]*question{}, waiting: map[string][]func(count){}}
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
// second.
func (c *Cluster) Start(ctx context.Context) error {
	for _, subject := range []string{c.inbox + "*", subjectAlive, subjectAsk, subjectControl} {
		sub, err := c.nc.ChanSubscribe(subject, c.in)
		if err != nil {
			return fmt.Errorf("cluster: %w", err)
		}
		c.subs = append(c.subs, sub)
	}
	c.done.Go(c.write)
	c.done.Go(c.read)
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
	if err := c.greet(ctx); err != nil {
		return fmt.Errorf("cluster: %w", err)
	}
	c.mu.Lock()
	c.away = false
	c.mu.Unlock()
	return nil
}

// Close says goodbye and ends the node. Calls under way get an error, or no callback at all.
func (c *Cluster) Close() {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return
	}
	c.closed = true
	c.mu.Unlock()
	c.Lost()
	close(c.stop)
	c.done.Wait()
	for _, sub := range append(c.subs, c.hello) {
		if sub != nil {
			_ = sub.Unsubscribe() // the connection may be closed already
		}
	}
	c.work.Close()
	c.apply.Close()
	if c.nc.Publish(subjectAlive, c.frame(frames.Bye, nil)) == nil {
		_ = c.nc.FlushTimeout(time.Second) // without it, the others notice the end when the lease is over
	}
}

// frame returns the bytes of a message of one part.
func (c *Cluster) frame(kind frames.Kind, body []byte) []byte {
	return frames.Append(nil, &frames.Frame{From: c.id, Kind: kind, Body: body})
}

// send gives a message to the goroutine that writes. It reports false if too many wait.
func (c *Cluster) send(s sending) bool {
	select {
	case c.out <- s:
		return true
	default:
		return false
	}
}

// write writes to the connection, which may block.
func (c *Cluster) write() {
	beat := time.NewTicker(c.cfg.Beat)
	defer beat.Stop()
	for {
		select {
		case s := <-c.out:
			err := c.nc.PublishMsg(&nats.Msg{Subject: s.subject, Reply: s.reply, Data: s.data})
			if err != nil && s.q != nil {
				c.fail(s.q, fmt.Errorf("%w: %w", errAway, err))
			}
		case <-beat.C:
			_ = c.nc.Publish(subjectAlive, c.frame(frames.Beat, nil)) // it fails while the connection is lost
		case <-c.stop:
			return
		}
	}
}

// read handles what arrives. Nothing in it waits.
func (c *Cluster) read() {
	tick := time.NewTicker(c.cfg.Beat / 2)
	defer tick.Stop()
	for {
		select {
		case m := <-c.in:
			c.arrived(m)
		case <-tick.C:
			c.tick(time.Now())
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
	case f.Kind == frames.Bye:
		c.gone(f.From, true)
	case f.Kind == frames.Answer || f.Kind == frames.Refusal:
		c.heard(f.From)
		c.answered(m.Subject, f)
	case f.Kind == frames.Beat:
		if c.heard(f.From) {
			c.send(sending{subject: subjectAlive, data: c.frame(frames.Beat, nil)})
		}
	case f.Kind == frames.Hello:
		c.heard(f.From)
		c.send(sending{subject: m.Reply, data: c.frame(frames.Answer, frames.AppendIDs(nil, c.alive()))})
	default:
		c.heard(f.From)
		c.question(m.Reply, f)
	}
}

// unreadable handles a message that cannot be decoded. A node with a newer version lives, and learns why it
// gets no answer.
func (c *Cluster) unreadable(m *nats.Msg, from string, err error) {
	if from != "" {
		c.heard(from)
	}
	if m.Subject == subjectAlive {
		return
	}
	c.log.Warn("a message of another node cannot be read", "node", from, "err", err)
	if m.Reply != "" {
		c.send(sending{subject: m.Reply, data: c.frame(frames.Refusal, []byte(err.Error()))})
	}
}
