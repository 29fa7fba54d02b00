package room_test

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"go.uber.org/goleak"

	"webim/netpoll"
	"webim/netpoll/wstest"
	"webim/room"
	"webim/room/engine"
	"webim/room/engine/memory"
	"webim/room/mux"
	"webim/room/policy"
)

// The test kit: a server with a hub, which must leave no connection, room or descriptor, and a client that
// shares no code with netpoll.

func TestMain(m *testing.M) {
	wstest.Main(m,
		// The client library waits until its timeout for replies that never come.
		goleak.IgnoreAnyFunction("github.com/centrifugal/centrifuge-go.(*Client).sendAsync.func1"))
}

// node is a server and its hub.
type node struct {
	t    testing.TB
	hub  *room.Hub
	s    *netpoll.Server
	addr string

	panics int64 // number of panics that the test causes
}

// start runs a node until the test ends, and then checks that no connection,
// no room and no descriptor is left.
func start(t testing.TB, rc room.Config, nc netpoll.Config) *node {
	return startWith(t, newHub(open(rc)), nc, nil)
}

// newHub makes a hub, with a memory engine of its own if the test names no other.
func newHub(cfg room.Config) *room.Hub {
	if cfg.Engine == nil {
		cfg.Engine = memory.New(memory.Limits{})
	}
	return room.NewHub(cfg)
}

// open permits everything to all clients, at any rate, unless the test sets something else. Most tests are
// about delivery, and rights and rates have tests of their own.
func open(c room.Config) room.Config {
	if c.Tokens == nil && c.Options == nil {
		c.Anonymous = true
	}
	if c.Options == nil {
		c.Options = policy.Patterns{{Match: "*", Options: policy.Options{History: engine.Retention{Messages: 100, Bytes: 16 << 10, Age: 5 * time.Minute}, Rights: policy.OpenRights()}}}.Options
	}
	if c.IdleEvery() == 0 {
		c.SetIdleEvery(time.Hour) // tests look at what active rooms have
	}
	if c.Rates == (policy.Rates{}) {
		c.Rates, c.UserRates = policy.NoRates, policy.NoRates
	}
	if c.Text == (policy.TextLimits{}) {
		c.Text = policy.TextLimits{Bytes: -1, Graphemes: -1}
	}
	return c
}

// startWith is start with a handler that embeds the hub's mux.Handler and may block. nil means mux.Handler
// itself, which runs on the loops as in webim.
func startWith(t testing.TB, hub *room.Hub, nc netpoll.Config, h netpoll.Handler) *node {
	t.Helper()
	if h == nil {
		h, nc.RunOnLoop = mux.New(hub), true
	}
	before := wstest.Descriptors(t)
	if nc.PingInterval == 0 {
		nc.PingInterval = -1 // frames are counted one by one
	}
	// A client that waits for a processor is not slow.
	nc.HandshakeTimeout, nc.WriteTimeout = cmp.Or(nc.HandshakeTimeout, wstest.Patience), cmp.Or(nc.WriteTimeout, wstest.Patience)
	if nc.Logger == nil {
		nc.Logger = slog.New(slog.DiscardHandler)
	}
	s := netpoll.New(nc, h)
	h.(interface{ Start(*netpoll.Server) }).Start(s)
	addr, err := s.Listen(netpoll.Listener{Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	n := &node{t: t, hub: hub, s: s, addr: addr.String()}
	t.Cleanup(func() {
		if st := hub.Stats(); st.Rooms+st.Members+hub.Meter().Counts().Conns > 0 || st.Unswept > 0 || len(hub.Free()) != len(hub.ByNum()) {
			t.Errorf("left in the hub: %+v, %d of %d numbers in use", st, len(hub.ByNum())-len(hub.Free()), len(hub.ByNum()))
		}
		if got := s.Stats().Panics; got != n.panics {
			t.Errorf("%d callbacks panicked, want %d", got, n.panics)
		}
		wstest.NoDescriptorsLeft(t, before)
	})
	wstest.Serve(t, s, netpoll.ErrServerClosed)
	return n
}

// stop shuts the server down; a second time does nothing.
func (n *node) stop() {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), wstest.Patience)
	defer cancel()
	if err := n.s.Shutdown(ctx, 0); err != nil {
		n.t.Errorf("Shutdown: %v", err)
	}
}

// room returns a room, which must have members, and makes it active.
func (n *node) room(name string) *room.Room {
	n.t.Helper()
	if r := n.hub.Existing(name); r != nil {
		r.Mu().Lock()
		defer r.Mu().Unlock()
		r.ActivateLocked()
		return r
	}
	n.t.Fatalf("there is no room %q", name)
	return nil
}

// say publishes a text as the server API does.
func (n *node) say(room, text string) error {
	var failed error
	n.hub.Publish(room, engine.Message{Op: ws.OpText, Data: []byte(text)}, func(_ engine.Position, err error) { failed = err })
	return failed
}

// client is a client whose frames have names: of the plain dialect, or below the Centrifuge protocol.
type client struct{ *wstest.Client }

// The extensions that a client may offer.
const (
	noDeflate    = ""
	deflate      = "permessage-deflate"
	deflateSmall = "permessage-deflate; server_max_window_bits=9"
)

// offers returns the headers of a handshake.
func offers(extensions, subprotocol string) (headers []string) {
	if extensions != "" {
		headers = append(headers, "Sec-WebSocket-Extensions: "+extensions)
	}
	if subprotocol != "" {
		headers = append(headers, "Sec-WebSocket-Protocol: "+subprotocol)
	}
	return headers
}

// newClient makes a client of a connection, which reads little ahead.
func newClient(t testing.TB, conn net.Conn) *client {
	c := &client{wstest.NewClient(t, conn)}
	c.Reader = bufio.NewReaderSize(conn, 4<<10)
	c.ResetDeadline()
	return c
}

// readHead reads the response to a handshake, which must succeed.
func (c *client) readHead() error {
	r, err := c.TryResponse()
	if err == nil && r.StatusCode != http.StatusSwitchingProtocols {
		err = errors.New(r.Status)
	}
	return err
}

// dial connects and does the handshake, and also returns the status.
func (n *node) dial(d *net.Dialer, path, extensions string) (*client, int, error) {
	d.Timeout = wstest.Patience
	conn, err := d.Dial("tcp", n.addr)
	if err != nil {
		return nil, 0, err
	}
	c := newClient(n.t, conn)
	r, err := c.TryHandshake(path, offers(extensions, "")...)
	if err != nil {
		conn.Close()
		return nil, 0, err
	}
	if r.StatusCode != http.StatusSwitchingProtocols {
		conn.Close()
		return c, r.StatusCode, nil
	}
	if want := extensions != ""; strings.HasPrefix(r.Header.Get("Sec-WebSocket-Extensions"), deflate) != want {
		err = fmt.Errorf("extensions: %q", r.Header.Get("Sec-WebSocket-Extensions"))
	} else if got := r.Header.Get("Sec-WebSocket-Protocol"); got != "" {
		err = fmt.Errorf("subprotocol %q", got)
	}
	if err != nil {
		conn.Close()
	}
	return c, r.StatusCode, err
}

// join connects to a room, which must succeed.
func (n *node) join(path, extensions string) *client {
	n.t.Helper()
	c, status, err := n.dial(new(net.Dialer), path, extensions)
	if err != nil || status != http.StatusSwitchingProtocols {
		n.t.Fatalf("joining %s: %d, %v", path, status, err)
	}
	n.t.Cleanup(func() { c.Conn.Close() })
	return c
}

// joinAll connects several clients at once; client i offers extensions(i).
func (n *node) joinAll(count int, path string, extensions func(i int) string) []*client {
	n.t.Helper()
	before := n.hub.Stats().Members
	all, errs := make([]*client, count), make([]error, count)
	var wg sync.WaitGroup
	for part := range 16 {
		wg.Go(func() {
			for i := part; i < count; i += 16 {
				all[i], _, errs[i] = n.dial(new(net.Dialer), path, extensions(i))
			}
		})
	}
	wg.Wait()
	n.t.Cleanup(func() {
		for _, c := range all {
			if c != nil {
				c.Conn.Close()
			}
		}
	})
	if err := errors.Join(errs...); err != nil {
		n.t.Fatal(err)
	}
	wstest.Eventually(n.t, "all have joined", func() bool { return n.hub.Stats().Members == before+count })
	return all
}

func plain(int) string { return noDeflate }

// send writes a frame.
func (c *client) send(op ws.OpCode, payload string) error {
	return c.TrySend(wstest.Frame(0x80|byte(op), payload))
}

// read returns the next message or Close frame.
func (c *client) read() (op ws.OpCode, payload []byte, err error) { return c.ReadMessage() }

// expect reads a message and compares it.
func (c *client) expect(t testing.TB, op ws.OpCode, payload string) {
	t.Helper()
	got, p, err := c.read()
	if err != nil || got != op || string(p) != payload {
		t.Fatalf("got %x %.60q (%d bytes), %v; want %x %.60q", got, p, len(p), err, op, payload)
	}
}

// leave does the closing handshake, and reads to the end of the stream.
func (c *client) leave(t testing.TB) {
	t.Helper()
	defer c.Wait()()
	if err := c.send(ws.OpClose, string(ws.NewCloseFrameBody(ws.StatusNormalClosure, ""))); err != nil {
		t.Fatal(err)
	}
	for {
		op, _, err := c.read()
		if err != nil {
			t.Fatalf("leaving: %v", err)
		}
		if op == ws.OpClose {
			break
		}
	}
	c.ExpectEOF()
	c.Conn.Close()
}
