package netpoll_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/gobwas/ws"

	"webim/netpoll"
)

// The kit: a server that must leave nothing behind, and a raw client that
// knows nothing of netpoll, so that it cannot share its mistakes.

func TestMain(m *testing.M) {
	// Go's own poller opens its descriptors with the first socket.
	if ln, err := net.Listen("tcp", "127.0.0.1:0"); err == nil {
		ln.Close()
	}
	goleak.VerifyTestMain(m)
}

// patience is the deadline of whatever a test waits for.
const patience = 10 * time.Second

// long reports whether the tests are to run at full size.
func long() bool { return os.Getenv("WEBIM_LONG") != "" }

// eventually polls until cond holds.
func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); !cond(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// fds counts the descriptors of this process.
func fds(t testing.TB) int {
	d, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(d)
}

// start runs a server until the test ends, and then checks that neither a
// connection nor a descriptor is left.
func start(t testing.TB, cfg netpoll.Config, h netpoll.Handler) (*netpoll.Server, string) {
	t.Helper()
	before := fds(t)
	if cfg.PingInterval == 0 {
		cfg.PingInterval = -1 // the client's frames are counted one by one
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	s := netpoll.New(cfg, h)
	addr, err := s.Listen(netpoll.Listener{Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.Shutdown(ctx, 0); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		if err := <-served; !errors.Is(err, netpoll.ErrServerClosed) {
			t.Errorf("Serve: %v", err)
		}
		if n := openConns(s); n != 0 {
			t.Errorf("%d connections are open after Shutdown", n)
		}
		eventually(t, "all descriptors are closed", func() bool { return fds(t) <= before })
	})
	return s, addr.String()
}

func openConns(s *netpoll.Server) (n int) {
	for range s.Conns() {
		n++
	}
	return max(n, int(s.Stats().Open))
}

// echo is the handler of the conformance suite.
func echo() netpoll.Handler {
	return &netpoll.Funcs{OnMessage: func(c netpoll.Conn, op ws.OpCode, data []byte) { _ = c.Push(op, data) }}
}

// client is a WebSocket client as plain as can be.
type client struct {
	t       testing.TB
	c       *net.TCPConn
	br      *bufio.Reader
	closing bool // we have sent a Close frame
}

func dial(t testing.TB, addr string) *client {
	t.Helper()
	c, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &client{t: t, c: c.(*net.TCPConn), br: bufio.NewReaderSize(c, 64<<10)}
}

// connect is dial with a handshake that must succeed.
func connect(t testing.TB, addr string, headers ...string) *client {
	t.Helper()
	c := dial(t, addr)
	if r := c.handshake(headers...); r.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("handshake: %s", r.Status)
	}
	return c
}

// upgrade is the head of a handshake; each header is a line.
func upgrade(headers ...string) []byte {
	lines := append([]string{"GET / HTTP/1.1", "Host: localhost", "Upgrade: websocket", "Connection: Upgrade",
		"Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="}, headers...)
	return []byte(strings.Join(lines, "\r\n") + "\r\n\r\n")
}

// handshake sends the head and reads the answer, whatever it is.
func (c *client) handshake(headers ...string) *http.Response {
	c.t.Helper()
	c.write(upgrade(headers...))
	r := c.response()
	if r.StatusCode == http.StatusSwitchingProtocols && r.Header.Get("Sec-WebSocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		c.t.Fatalf("wrong accept key: %v", r.Header)
	}
	return r
}

// response reads an HTTP response with its body.
func (c *client) response() *http.Response {
	c.t.Helper()
	c.hurry()
	r, err := http.ReadResponse(c.br, nil)
	if err != nil {
		c.t.Fatalf("reading the response: %v", err)
	}
	if r.StatusCode != http.StatusSwitchingProtocols {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			c.t.Fatalf("reading the response's body: %v", err)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	return r
}

func (c *client) hurry() { c.c.SetDeadline(time.Now().Add(patience)) }

func (c *client) write(b []byte) {
	c.t.Helper()
	c.hurry()
	if _, err := c.c.Write(b); err != nil {
		c.t.Fatalf("writing %d bytes: %v", len(b), err)
	}
}

// chop writes b in pieces of n bytes.
func (c *client) chop(b []byte, n int) {
	c.t.Helper()
	for ; len(b) > n; b = b[n:] {
		c.write(b[:n])
	}
	c.write(b)
}

// send writes one frame.
func (c *client) send(b0 byte, payload string) {
	c.t.Helper()
	c.write(frame(b0, payload))
}

// frame makes a client's frame with any first byte and a random mask.
func frame(b0 byte, payload string) []byte {
	head := frameHead(b0, uint64(len(payload)))
	mask := bytes.Repeat(head[len(head)-4:], 1024)
	at := len(head)
	b := append(make([]byte, 0, at+len(payload)), head...)
	b = append(b, payload...)
	for p := b[at:]; len(p) > 0; {
		p = p[subtle.XORBytes(p, p, mask):]
	}
	return b
}

// frameHead is a client's frame up to its payload.
func frameHead(b0 byte, length uint64) []byte {
	b := make([]byte, 0, 14)
	switch {
	case length < 126:
		b = append(b, b0, 0x80|byte(length))
	case length < 65536:
		b = binary.BigEndian.AppendUint16(append(b, b0, 0x80|126), uint16(length))
	default:
		b = binary.BigEndian.AppendUint64(append(b, b0, 0x80|127), length)
	}
	return binary.LittleEndian.AppendUint32(b, rand.Uint32())
}

// readFrame reads a server's frame, which is not masked and has the shortest
// length.
func (c *client) readFrame() (b0 byte, payload []byte, err error) {
	c.hurry()
	var h [10]byte
	if _, err := io.ReadFull(c.br, h[:2]); err != nil {
		return 0, nil, err
	}
	length, extra := uint64(h[1]), 0
	switch h[1] {
	case 126:
		extra = 2
	case 127:
		extra = 8
	}
	if _, err := io.ReadFull(c.br, h[2:2+extra]); err != nil {
		return 0, nil, fmt.Errorf("in a header: %w", err)
	}
	if extra > 0 {
		length = binary.BigEndian.Uint64(append(make([]byte, 8-extra), h[2:2+extra]...))
	}
	if h[1] > 127 || extra == 2 && length < 126 || extra == 8 && length < 65536 || length > 1<<30 {
		return 0, nil, fmt.Errorf("bad header % x", h[:2+extra])
	}
	payload = make([]byte, length)
	if n, err := io.ReadFull(c.br, payload); err != nil {
		return 0, nil, fmt.Errorf("after %d of %d bytes of payload: %w", n, length, err)
	}
	return h[0], payload, nil
}

// expect reads a frame and compares it.
func (c *client) expect(b0 byte, payload string) {
	c.t.Helper()
	got, p, err := c.readFrame()
	if err != nil || got != b0 || string(p) != payload {
		c.t.Fatalf("got frame %02x %s, %v; want %02x %s", got, brief(string(p)), err, b0, brief(payload))
	}
}

// brief is a string short enough for a message.
func brief(s string) string {
	if len(s) > 60 {
		return fmt.Sprintf("%.50q… (%d bytes)", s, len(s))
	}
	return fmt.Sprintf("%q", s)
}

// closePayload is the payload of a Close frame.
func closePayload(code int, reason string) string {
	return string([]byte{byte(code >> 8), byte(code)}) + reason
}

// expectClose reads a Close frame, answers it if it is not the answer itself,
// and sees the server end the connection cleanly before we close ours. It
// returns the reason.
func (c *client) expectClose(codes ...int) string {
	c.t.Helper()
	b0, p, err := c.readFrame()
	if err != nil || b0 != 0x88 {
		c.t.Fatalf("got frame %02x %s, %v; want Close %v", b0, brief(string(p)), err, codes)
	}
	got := 1005
	if len(p) >= 2 {
		got = int(binary.BigEndian.Uint16(p))
	}
	ok := false
	for _, code := range codes {
		ok = ok || code == got
	}
	if !ok {
		c.t.Fatalf("closed with %d %q, want %v", got, p[min(2, len(p)):], codes)
	}
	if !c.closing {
		c.closing = true
		c.c.Write(frame(0x88, string(p)))
	}
	c.expectEOF()
	c.c.Close()
	return string(p[min(2, len(p)):])
}

// expectEOF sees the server's end of stream: no more bytes, and no reset,
// which could destroy what was sent before it.
func (c *client) expectEOF() {
	c.t.Helper()
	c.hurry()
	if b, err := c.br.ReadByte(); err != io.EOF {
		c.t.Fatalf("got byte %02x, %v; want the end of the stream", b, err)
	}
}

// goodbye closes the connection as a client should.
func (c *client) goodbye() {
	c.t.Helper()
	c.closing = true
	c.send(0x88, closePayload(1000, ""))
	c.expectClose(1000)
}
