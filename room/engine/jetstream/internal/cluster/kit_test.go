package cluster

import (
	"context"
	"io"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/goleak"

	"webim/netpoll/wstest"
	"webim/room/engine"
	"webim/room/engine/jetstream/embedded"
	"webim/room/engine/jetstream/internal/frames"
	"webim/room/engine/jetstream/natstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// node is a Cluster with a connection, and rooms.
type node struct {
	*Cluster
	nc *nats.Conn

	mu    sync.Mutex
	rooms map[string][]engine.Subscriber
	told  []string
}

func startServer(t testing.TB) *embedded.Server {
	t.Helper()
	return natstest.Start(t, t.TempDir())
}

func connect(t testing.TB, s *embedded.Server) *nats.Conn {
	t.Helper()
	return natstest.Connect(t, s)
}

// start starts a node.
func start(t testing.TB, s *embedded.Server, cfg Config) *node {
	t.Helper()
	n := &node{nc: connect(t, s), rooms: map[string][]engine.Subscriber{}}
	cfg.Tell = n.tell
	cfg.Subscribers = func(room string) []engine.Subscriber {
		n.mu.Lock()
		defer n.mu.Unlock()
		return n.rooms[room]
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	n.Cluster = New(n.nc, cfg)
	if err := n.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Close)
	return n
}

// has gives a room members on a node.
func (n *node) has(room string, s ...engine.Subscriber) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.rooms[room] = s
}

// members is a subscriber with members.
type members struct {
	engine.Subscriber
	users  []string
	info   []byte
	counts atomic.Int32 // how often the users were named
}

func (m *members) Members(limit int) (all []engine.Author, clients int) {
	if len(m.users) > limit {
		return nil, len(m.users)
	}
	for _, u := range m.users {
		all = append(all, engine.Author{User: u, Client: u, ConnInfo: m.info})
	}
	return all, len(m.users)
}

func (m *members) Count(named func(user string)) (clients, users int) {
	seen := map[string]bool{}
	for _, u := range m.users {
		if seen[u] {
			continue
		}
		if seen[u] = true; named != nil {
			named(u)
		}
	}
	if named != nil {
		m.counts.Add(1)
	}
	return len(m.users), len(seen)
}

// hub is a node of the engine that records what it applies.
type hub struct {
	name  string
	fault error
	hold  chan bool // if not nil, Apply waits for it

	mu      sync.Mutex
	applied []engine.ControlMessage
}

func (h *hub) Apply(m engine.ControlMessage) error {
	if h.hold != nil {
		<-h.hold
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.applied = append(h.applied, m)
	return h.fault
}

func (h *hub) Info(q engine.Question) engine.NodeInfo {
	return engine.NodeInfo{Node: h.name, Rooms: map[string]int{q.Rooms: 1}}
}

func (h *hub) times() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.applied)
}

func receive[T any](t testing.TB, c chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(wstest.Patience):
		t.Fatal("no answer")
		panic("unreachable")
	}
}

func (n *node) count(t testing.TB, room string) count {
	t.Helper()
	c := make(chan count, 1)
	n.Count(room, func(clients, users int, err error) { c <- count{clients: clients, users: users, err: err} })
	return receive(t, c)
}

type listing struct {
	all []engine.Author
	err error
}

func (n *node) list(t testing.TB, room string, limit int) listing {
	t.Helper()
	c := make(chan listing, 1)
	n.Members(room, limit, func(all []engine.Author, err error) { c <- listing{all, err} })
	return receive(t, c)
}

func (n *node) control(t testing.TB, m engine.ControlMessage) error {
	t.Helper()
	c := make(chan error, 1)
	n.SendControl(m, func(err error) { c <- err })
	return receive(t, c)
}

// forge publishes a frame as another node.
func forge(t testing.TB, nc *nats.Conn, subject, reply string, f frames.Frame) {
	t.Helper()
	if err := nc.PublishMsg(&nats.Msg{Subject: subject, Reply: reply, Data: frames.Append(nil, &f)}); err != nil {
		t.Fatal(err)
	}
}

func (n *node) subscribersOf(s engine.Subscriber) func(string) []engine.Subscriber {
	return func(string) []engine.Subscriber { return []engine.Subscriber{s} }
}

// tell is Config.Tell. It records the notices as texts: "+r c" joins, "-r c" leaves.
func (n *node) tell(room string, notice engine.Notice) {
	sign := "+"
	if notice.Left {
		sign = "-"
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.told = append(n.told, sign+room+" "+notice.Who.Client)
}

// takeTold returns the notices that were told since the last call, sorted.
func (n *node) takeTold() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	all := n.told
	n.told = nil
	slices.Sort(all)
	return all
}
