package netpoll

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"reflect"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"webim/netpoll/internal/flight"
	"webim/netpoll/internal/tlsmem"
	"webim/netpoll/wstest"
)

// TestMoveAtEachByte moves connections whose clients have sent so many bytes, and no more: each number is the place of one
// connection. All of them get the same answers as without a move.
func TestMoveAtEachByte(t *testing.T) {
	in, answers := stream()
	old, m, addr := movable(t, movingConfig(), Listener{Addr: "127.0.0.1:0"})
	var clients []*wstest.Client
	for range len(in) + 1 {
		clients = append(clients, wstest.Connect(t, addr))
	}
	before := old.Stats().BytesIn
	for at, c := range clients {
		c.SendBytes(in[:at])
		before += int64(at)
	}
	readBytes(t, old, before)
	s, _, moved := handOver(t, old, movingConfig())
	if moved != len(clients) || openConns(s) != len(clients) || openConns(old) != 0 || m.numClosed() != 0 {
		t.Fatalf("%d of %d have moved: %d open, %d at the old server, %d closed", moved, len(clients), openConns(s), openConns(old), m.numClosed())
	}
	for at, c := range clients {
		c.SendBytes(in[at:])
		for _, want := range answers {
			b0, payload, err := c.ReadFrame()
			if got := fmt.Sprintf("%x %s", b0, payload); err != nil || got != want {
				t.Fatalf("moved after %d bytes: %q, %v; want %q", at, got, err, want)
			}
		}
		c.Leave()
	}
}

// TestMoveKeepsEverything moves connections in many states twice, and compares everything that is known of them.
func TestMoveKeepsEverything(t *testing.T) {
	cfg := movingConfig()
	cfg.PingInterval, cfg.CloseTimeout, cfg.HighWater, cfg.LowWater = time.Hour, time.Hour, 1<<10, 1<<9
	old, _, addr := movable(t, cfg, Listener{Addr: "127.0.0.1:0"})
	conn := func(headers ...string) (Conn, *wstest.Client) {
		client := wstest.Connect(t, addr, headers...)
		for c := range old.Conns() {
			if at, _ := c.Remote(); at.String() == client.Conn.LocalAddr().String() {
				return c, client
			}
		}
		t.Fatal("no connection")
		return Conn{}, nil
	}
	full := func(c Conn) {
		for c.Queued() < 100<<10 {
			if err := c.Push(ws.OpBinary, make([]byte, 30<<10)); err != nil {
				t.Fatal(err)
			}
		}
	}
	conn()
	c, client := conn("Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=9")
	client.SendBytes(wstest.Frame(0x41, "compressed, half")[:9])
	c, _ = conn()
	c.Pause()
	c.lock()
	c.r.link.Own = uint16(flight.Round(1500)) // a round trip
	c.r.mu.Unlock()
	c, _ = conn()
	c.Protect(true)
	c, client = conn()
	full(c)
	client.SendBytes(wstest.Frame(0x89, "ping"))
	wstest.Eventually(t, "a pong waits", func() bool {
		c.lock()
		defer c.r.mu.Unlock()
		return len(old.outputs.At(c.r.output).State().Pong) > 0
	})
	c, _ = conn()
	c.Close(4000, "server's close")
	c, _ = conn()
	full(c)
	c.Close(4001, "behind a full queue")
	_, client = conn()
	client.SendBytes(wstest.Frame(0x01, "he"))
	before := old.Stats().BytesIn
	client.SendBytes(wstest.Frame(0x80, "llo")[:5])
	readBytes(t, old, before+5)
	half := wstest.Dial(t, addr)
	half.SendBytes(wstest.Upgrade()[:30])
	wstest.Eventually(t, "half a head is there", func() bool { return old.Stats().Unfinished > 30 })

	from := hold(t, old)
	want := stateOf(t, from)
	from.Thaw()
	if len(want) != 9 {
		t.Fatalf("%d connections", len(want))
	}
	for range 2 {
		s, _, _ := handOver(t, old, cfg)
		to := hold(t, s)
		got := stateOf(t, to)
		to.Thaw()
		for id, w := range want {
			g := got[id]
			if g == nil {
				t.Errorf("connection %x is lost", id)
				continue
			}
			for _, in := range [][2]*int64{{&g.Begun, &w.Begun}, {&g.Seen, &w.Seen}, {&g.Sent, &w.Sent}, {&g.Deadline, &w.Deadline}, {&g.Due, &w.Due}, {&g.Since, &w.Since}} {
				if d := *in[0] - *in[1]; d < -30_000 || d > 1000 { // the test may take some time, and a first ping has its own
					t.Errorf("connection %x: a time of %d ms, %d before", id, *in[0], *in[1])
				}
				*in[0] = *in[1]
			}
			if a, b := unsent(g), unsent(w); bytes.HasSuffix(b, a) && g.BytesOut-w.BytesOut == uint64(len(b)-len(a)) {
				g.Output, g.BytesOut = w.Output, w.BytesOut // the socket may have taken more
			}
			if !reflect.DeepEqual(g, w) {
				a, b := len(unsent(g)), len(unsent(w))
				g.Output.Refs, w.Output.Refs = nil, nil
				t.Errorf("connection %x:\n%+v, %d bytes to write; before\n%+v, %d", id, g, a, w, b)
			}
		}
		old = s
	}
	half.SendBytes(wstest.Upgrade()[30:])
	if r := half.Response(); r.StatusCode != http.StatusSwitchingProtocols {
		t.Errorf("half a head: %s", r.Status)
	}
}

// TestMoveClosing moves close handshakes under way, from both sides.
func TestMoveClosing(t *testing.T) {
	old, first, addr := movable(t, movingConfig(), Listener{Addr: "127.0.0.1:0"})
	byServer, byClient, gone := wstest.Connect(t, addr), wstest.Connect(t, addr), wstest.Connect(t, addr)
	ids := map[string]ID{}
	for c := range old.Conns() {
		at, _ := c.Remote()
		ids[at.String()] = c.ID()
	}
	id := func(c *wstest.Client) ID { return ids[c.Conn.LocalAddr().String()] }
	c, _ := old.Conn(id(byServer))
	c.Close(4000, "moving")
	byServer.Expect(0x88, wstest.ClosePayload(4000, "moving"))

	from := hold(t, old)
	byClient.SendBytes(wstest.Frame(0x88, wstest.ClosePayload(4001, "bye")))
	gone.Conn.Close()
	s, m, to := successor(t, movingConfig(), from)
	if _, err := from.Export(true, func(state []byte, fds []int) error { return to.Adopt(state, sent(t, fds...)) }); err != nil {
		t.Fatal(err)
	}
	from.Release()
	to.Thaw()
	byServer.SendBytes(wstest.Frame(0x88, wstest.ClosePayload(4000, "")))
	byClient.Expect(0x88, wstest.ClosePayload(4001, "bye"))
	for client, want := range map[*wstest.Client]Closed{byServer: {ServerClosed, 4000, "moving", ByServer}, byClient: {ClientClosed, 4001, "bye", ByClient}, gone: {ClientGone, 1006, "", ByNetwork}} {
		if why := m.closedAs(t, id(client)); why != want {
			t.Errorf("%v; want %v", why, want)
		}
	}
	if first.numClosed() != 0 || s.Stats().Open != 0 || old.Stats().Open != 0 {
		t.Errorf("%d were closed by the old server; open: %d and %d", first.numClosed(), s.Stats().Open, old.Stats().Open)
	}
}

// TestMoveIDs checks that ids stay, and that none is used again by the next server, or by the one after it.
func TestMoveIDs(t *testing.T) {
	s, _, addr := movable(t, movingConfig(), Listener{Addr: "127.0.0.1:0"})
	seen := map[ID]bool{}
	var last *wstest.Client
	for range 3 {
		var leaving []*wstest.Client
		for range 20 {
			leaving = append(leaving, wstest.Connect(t, addr))
		}
		if last != nil {
			last.Send(0x81, "there")
			last.Expect(0x81, "there")
		}
		last = wstest.Connect(t, addr)
		for c := range s.Conns() {
			if at, _ := c.Remote(); seen[c.ID()] && at.String() == "" {
				t.Errorf("id %x is used twice", c.ID())
			}
			seen[c.ID()] = true
		}
		for _, c := range leaving {
			c.Leave()
		}
		wstest.Eventually(t, "they have left", func() bool { return s.Stats().Open <= 3 })
		s, _, _ = handOver(t, s, movingConfig())
	}
	if len(seen) != 3*21 {
		t.Errorf("%d ids for %d connections", len(seen), 3*21)
	}
}

// TestStays checks what stays with the old server, and how it ends there: connections over TLS, those that the handler
// keeps, and requests of net/http under way.
func TestStays(t *testing.T) {
	begun, release := make(chan bool), make(chan bool)
	cfg := movingConfig()
	cfg.HTTP = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { close(begun); <-release; fmt.Fprint(w, "done") })
	old, first, addr := movable(t, cfg, Listener{Addr: "127.0.0.1:0"})
	secure, err := old.Listen(Listener{Addr: "127.0.0.1:0", TLS: &tls.Config{Certificates: []tls.Certificate{selfSigned(t)}}})
	if err != nil {
		t.Fatal(err)
	}
	moves, kept, overTLS := wstest.Connect(t, addr), wstest.Connect(t, addr), wstest.ConnectTLS(t, secure.String(), true)
	first.stays = func(c Conn) bool { at, _ := c.Remote(); return at.String() == kept.Conn.LocalAddr().String() }
	request := wstest.Dial(t, addr)
	request.SendBytes([]byte("GET / HTTP/1.1\r\nHost: h\r\n\r\n"))
	<-begun

	s, _, moved := handOver(t, old, movingConfig())
	if moved != 1 || len(first.stayed) != 2 || openConns(s) != 1 {
		t.Errorf("%d have moved, %d stay, %d are open", moved, len(first.stayed), openConns(s))
	}
	ended := make(chan error, 1)
	go func() { ended <- old.Shutdown(context.Background(), 0) }()
	for _, c := range []*wstest.Client{kept, overTLS} {
		if b0, payload, err := c.ReadFrame(); err != nil || b0 != 0x88 || !bytes.HasPrefix(payload, []byte{0x03, 0xe9}) {
			t.Errorf("% x %q, %v; want 1001", b0, payload, err)
		}
		c.Closing = true
		c.Send(0x88, wstest.ClosePayload(1001, ""))
	}
	close(release)
	if r := request.Response(); r.StatusCode != http.StatusOK {
		t.Errorf("the request under way: %s", r.Status)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	moves.Send(0x81, "on")
	moves.Expect(0x81, "on")
	late := wstest.Connect(t, addr)
	late.Leave()
}

// TestMoveRequest checks that a request which comes while the server is held is answered by the next server.
func TestMoveRequest(t *testing.T) {
	answer := func(name string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			var body bytes.Buffer
			body.ReadFrom(r.Body)
			fmt.Fprint(w, name, " ", body.String())
		})
	}
	cfg := movingConfig()
	cfg.HTTP = answer("old")
	old, _, addr := movable(t, cfg, Listener{Addr: "127.0.0.1:0"})
	client := wstest.Dial(t, addr)
	post := func(body string) {
		client.SendBytes(fmt.Appendf(nil, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%s", len(body), body))
	}
	read := func() string {
		var body bytes.Buffer
		body.ReadFrom(client.Response().Body)
		return body.String()
	}
	post("first")
	if got := read(); got != "old first" {
		t.Fatal(got)
	}
	h, err := old.Hold(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	post("second") // on the connection that net/http has
	wstest.Eventually(t, "the request is back in the loop", func() bool { return old.Stats().HTTP == 0 })
	if err := h.Freeze(context.Background()); err != nil {
		t.Fatal(err)
	}
	cfg.HTTP = answer("new")
	_, _, to := successor(t, cfg, h)
	if moved, err := h.Export(true, func(state []byte, fds []int) error { return to.Adopt(state, sent(t, fds...)) }); err != nil || moved != 1 {
		t.Fatal(moved, err)
	}
	h.Release()
	to.Thaw()
	if got := read(); got != "new second" {
		t.Errorf("%q; want an answer of the new server", got)
	}
	post("third")
	if got := read(); got != "new third" {
		t.Error(got)
	}
}

// TestMoveReturningRequest stops a request on its way from net/http back to the loop. Until the loop has it, it counts as one that
// net/http has, and the server does not freeze. Then it moves.
func TestMoveReturningRequest(t *testing.T) {
	answer := func(name string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, name) })
	}
	cfg := movingConfig()
	cfg.HTTP = answer("old")
	old, _, addr := movable(t, cfg, Listener{Addr: "127.0.0.1:0"})
	arrived, goOn := make(chan bool), make(chan bool)
	bridge := old.listeners()[0].http
	back := bridge.Back
	bridge.Back = func(fd int, addr netip.AddrPort, head []byte, tls *tlsmem.Conn, left func()) {
		arrived <- true
		<-goOn
		back(fd, addr, head, tls, left)
	}
	client := wstest.Dial(t, addr)
	ask := func() { client.SendBytes([]byte("GET / HTTP/1.1\r\nHost: h\r\n\r\n")) }
	read := func() string {
		var body bytes.Buffer
		body.ReadFrom(client.Response().Body)
		return body.String()
	}
	ask()
	if got := read(); got != "old" {
		t.Fatal(got)
	}
	h, err := old.Hold(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ask()
	<-arrived
	if n := old.Stats().HTTP; n != 1 {
		t.Errorf("net/http has %d connections, and the loop has none", n)
	}
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := h.Freeze(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the server freezes while a request is on its way: %v", err)
	}
	h.Thaw()
	if h, err = old.Hold(t.Context()); err != nil {
		t.Fatal(err)
	}
	frozen := make(chan error)
	go func() { frozen <- h.Freeze(t.Context()) }()
	close(goOn)
	if err := <-frozen; err != nil {
		t.Fatal(err)
	}
	if n := old.Stats().HTTP; n != 0 {
		t.Errorf("net/http has %d connections", n)
	}
	cfg.HTTP = answer("new")
	_, _, to := successor(t, cfg, h)
	if moved, err := h.Export(true, func(state []byte, fds []int) error { return to.Adopt(state, sent(t, fds...)) }); err != nil || moved != 1 {
		t.Errorf("%d connections have moved: %v", moved, err)
	}
	h.Release()
	to.Thaw()
	if got := read(); got != "new" {
		t.Errorf("%q; want an answer of the new server", got)
	}
}

// TestMovePostponedRequest checks that a handler gives a request back while its server is held, and at no other time, and that the
// next server answers it.
func TestMovePostponedRequest(t *testing.T) {
	cfg := movingConfig()
	come, goOn := make(chan bool), make(chan bool)
	cfg.HTTP = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		come <- true
		<-goOn
		if !Postpone(w, r) {
			fmt.Fprint(w, "old")
		}
	})
	old, _, addr := movable(t, cfg, Listener{Addr: "127.0.0.1:0"})
	request := func(body string) *wstest.Client {
		client := wstest.Dial(t, addr)
		client.SendBytes([]byte("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n" + body))
		<-come
		return client
	}
	read := func(client *wstest.Client) string {
		var body bytes.Buffer
		body.ReadFrom(client.Response().Body)
		return body.String()
	}
	first := request("body")
	goOn <- true
	if got := read(first); got != "old" {
		t.Errorf("the server is not held, and the answer is %q", got)
	}
	early, late := request("bo"), request("bo")
	h, err := old.Hold(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	goOn <- true // one of the two
	wstest.Eventually(t, "a request is back", func() bool { return old.Stats().HTTP == 2 })
	if err := h.Freeze(t.Context()); err != nil {
		t.Fatal(err)
	}
	goOn <- true
	cfg.HTTP = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body bytes.Buffer
		body.ReadFrom(r.Body)
		fmt.Fprint(w, "new ", body.String())
	})
	_, _, to := successor(t, cfg, h)
	if moved, err := h.Export(true, func(state []byte, fds []int) error { return to.Adopt(state, sent(t, fds...)) }); err != nil || moved != 1 {
		t.Errorf("%d connections have moved: %v", moved, err)
	}
	h.Release()
	to.Thaw()
	early.SendBytes([]byte("dy"))
	late.SendBytes([]byte("dy"))
	if one, two := read(early), read(late); min(one, two) != "new body" || max(one, two) != "old" {
		t.Errorf("the answers are %q and %q", one, two)
	}
}

// TestMoveLeavesNothing counts descriptors and registrations before and after a move: the old server has none left.
func TestMoveLeavesNothing(t *testing.T) {
	old, _, addr := movable(t, movingConfig(), Listener{Addr: "127.0.0.1:0"})
	for range 600 {
		wstest.Connect(t, addr)
	}
	fds, watched := wstest.Descriptors(t), entries(t)
	s, _, moved := handOver(t, old, movingConfig())
	if err := old.Shutdown(context.Background(), 0); err != nil {
		t.Fatal(err)
	}
	wstest.Eventually(t, "descriptors and registrations are as before", func() bool { return wstest.Descriptors(t) == fds && entries(t) == watched })
	if moved != 600 || s.Stats().Open != 600 || old.open.Load() != 0 || old.addrs.Len() != 0 {
		t.Errorf("%d have moved, %d are open, %d and %d addresses at the old server", moved, s.Stats().Open, old.open.Load(), old.addrs.Len())
	}
}

// TestMoveUnixListener checks that the path of a Unix socket stays when its server has moved, and goes with the next one.
func TestMoveUnixListener(t *testing.T) {
	path := t.TempDir() + "/s"
	old, _, _ := movable(t, movingConfig(), Listener{Network: "unix", Addr: path})
	s, _, _ := handOver(t, old, movingConfig())
	if err := old.Shutdown(context.Background(), 0); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the path has gone with the old server: %v", err)
	}
	s.Close()
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("the path is left behind: %v", err)
	}
	other := New(movingConfig(), nil)
	defer other.Close()
	if _, err := other.Listen(Listener{Addr: "127.0.0.1:0", FD: sent(t, 0)[0]}); err == nil {
		t.Error("a descriptor that does not listen was taken")
	}
}
