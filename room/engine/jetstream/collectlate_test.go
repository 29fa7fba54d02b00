package jetstream

import (
	"cmp"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nats.go"

	"webim/room/engine"
)

// late is a server to which a message for a room, or what the test says, comes late: after free is closed.
type late struct {
	*natsServer
	what string // how its subject begins; "": room.
	mu   sync.Mutex
	hold bool
	free chan struct{}
	held chan struct{}
}

// InProcessConn implements nats.InProcessConnProvider.
func (l *late) InProcessConn() (net.Conn, error) {
	c, err := l.natsServer.InProcessConn()
	return lateConn{c, l}, err
}

func (l *late) connect(opts ...nats.Option) (*nats.Conn, error) {
	return nats.Connect("", append(opts, nats.InProcessServer(l))...)
}

type lateConn struct {
	net.Conn
	l *late
}

func (c lateConn) Write(b []byte) (int, error) {
	c.l.mu.Lock()
	hold := c.l.hold && strings.Contains(string(b), "PUB "+cmp.Or(c.l.what, "room."))
	if hold {
		c.l.hold = false
	}
	c.l.mu.Unlock()
	if hold {
		close(c.l.held)
		<-c.l.free
	}
	return c.Conn.Write(b)
}

// TestLateText stores a text long after it was sealed, on a node that knows nothing of the round in which its key was removed. The text is readable
// when its sender hears of it: under its key, if that is kept; or else it is stored again.
func TestLateText(t *testing.T) {
	for _, at := range []string{"scanning", "naming", "look again", "deleting", "delete", "idle", "end"} {
		t.Run(at, func(t *testing.T) {
			l := &late{natsServer: startServer(t), free: make(chan struct{}), held: make(chan struct{})}
			free := sync.OnceFunc(func() { close(l.free) })
			t.Cleanup(free)
			answer := make(chan outcome, 1)
			come := sync.OnceFunc(func() {
				free()
				if o := receive(t, answer); o.err != nil {
					t.Error(o.err)
				}
			})
			cfg := collecting(nil)
			cfg.Connect = l.connect
			a := openWith(t, cfg)
			b := open(t, l.natsServer, collecting(func(_ *Engine, name string) error {
				if name == at {
					come()
				}
				return nil
			}))
			publish(t, a, "r", said("ann", "x"))
			expire(t, a, "r", 0)
			l.mu.Lock()
			l.hold = true
			l.mu.Unlock()
			a.Publish("r", said("ann", "late"), func(p engine.Position, err error) { answer <- outcome{p, err} })
			<-l.held
			b.unused.stored.Store(1)
			if err := b.collect(); err != nil {
				t.Fatal(err)
			}
			if at == "end" {
				if got := users(t, b); got != "" {
					t.Errorf("%q have keys, so the test proves nothing", got)
				}
				come()
			}
			for _, e := range []*Engine{a, b, open(t, l.natsServer, Config{Keep: always})} {
				h, err := readable(history(t, e, "r", engine.Span{Limit: -1}))
				if err != nil || strings.TrimPrefix(h, "- ") != "late" {
					t.Errorf("the room has %q, %v", h, err)
				}
			}
		})
	}
}
