package natstest

import (
	"bytes"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

// Hold is the connection of one node to a NATS server in this process. While it holds, the copy of the State of that node gets no
// change from the stream, as if the stream had no leader for this node; everything else passes. Its methods are safe for
// concurrent use.
type Hold struct {
	server nats.InProcessConnProvider

	mu       sync.Mutex
	holds    bool
	consumer string // of the copy
}

// NewHold returns a Hold that passes everything.
func NewHold(server nats.InProcessConnProvider) *Hold { return &Hold{server: server} }

// Connect is jetstream.Config.Connect.
func (h *Hold) Connect(opts ...nats.Option) (*nats.Conn, error) {
	return nats.Connect("", append(opts, nats.InProcessServer(h))...)
}

// InProcessConn implements nats.InProcessConnProvider.
func (h *Hold) InProcessConn() (net.Conn, error) {
	c, err := h.server.InProcessConn()
	return conn{c, h}, err
}

// Begin holds the copy back: it removes the consumer that feeds the copy, and no other one can be made.
func (h *Hold) Begin(t testing.TB) {
	t.Helper()
	h.mu.Lock()
	h.holds = true
	name := h.consumer
	h.mu.Unlock()
	if name == "" {
		t.Fatal("no consumer feeds the copy of the State")
	}
	nc, err := nats.Connect("", nats.InProcessServer(h.server))
	if err == nil {
		defer nc.Close()
		_, err = nc.Request("$JS.API.CONSUMER.DELETE.STATE."+name, nil, time.Minute)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// End lets the copy go on.
func (h *Hold) End() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.holds = false
}

type conn struct {
	net.Conn
	h *Hold
}

var (
	makes = []byte("PUB $JS.API.CONSUMER.CREATE.STATE")
	reads = []byte("PUB $JS.API.CONSUMER.MSG.NEXT.STATE.")
)

// Write sends requests about consumers of the State to nobody while the Hold holds.
func (c conn) Write(b []byte) (int, error) {
	sent := b
	c.h.mu.Lock()
	if c.h.holds {
		for _, of := range [][]byte{makes, reads} {
			sent = bytes.ReplaceAll(sent, of, append([]byte("PUB held"), of[len("PUB $JS"):]...))
		}
	} else if _, rest, found := bytes.Cut(sent, reads); found {
		c.h.consumer = string(rest[:bytes.IndexByte(rest, ' ')])
	}
	c.h.mu.Unlock()
	if _, err := c.Conn.Write(sent); err != nil {
		return 0, err
	}
	return len(b), nil
}
