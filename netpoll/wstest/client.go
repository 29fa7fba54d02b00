package wstest

import (
	"bufio"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsflate"
)

// Client is a WebSocket client over one connection. It knows nothing of the server's code, so it
// cannot share the server's mistakes. Methods without an error in their results fail the test. Each
// method has Patience, also if it reads many frames; only one goroutine at a time uses a Client.
type Client struct {
	Conn   net.Conn      // the socket
	TLS    *tls.Conn     // over Conn; nil: none
	Reader *bufio.Reader // over TLS, or else over Conn
	// Closing says that the client has sent a Close frame. Leave sets it; a test that sends the
	// frame itself sets it before ExpectClose.
	Closing bool

	t     testing.TB
	waits atomic.Int32 // see Wait; some tests read and write at the same time
}

// NewClient makes a client of a connection. The end of the test closes it.
func NewClient(t testing.TB, conn net.Conn) *Client {
	t.Cleanup(func() { conn.Close() })
	return &Client{t: t, Conn: conn, Reader: bufio.NewReaderSize(conn, 64<<10)}
}

// Dial connects to a TCP address and sends nothing.
func Dial(t testing.TB, addr string) *Client {
	t.Helper()
	conn, err := net.DialTimeout("tcp", addr, Patience)
	if err != nil {
		t.Fatal(err)
	}
	return NewClient(t, conn)
}

// Connect is Dial with a handshake for the path "/", which the server must accept. Each header is a
// line without its end.
func Connect(t testing.TB, addr string, headers ...string) *Client {
	t.Helper()
	return ConnectPath(t, addr, "/", headers...)
}

// ConnectPath is Connect for a path.
func ConnectPath(t testing.TB, addr, path string, headers ...string) *Client {
	t.Helper()
	c := Dial(t, addr)
	r, err := c.TryHandshake(path, headers...)
	if err != nil {
		t.Fatal(err)
	}
	if r.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("handshake for %.60s: %s", path, r.Status)
	}
	return c
}

// DialTLS is Dial with a TLS handshake if secure is set. The client accepts any certificate.
func DialTLS(t testing.TB, addr string, secure bool) *Client {
	t.Helper()
	c := Dial(t, addr)
	if secure {
		if err := c.StartTLS(c.Conn, &tls.Config{InsecureSkipVerify: true}); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// ConnectTLS is Connect over TLS if secure is set.
func ConnectTLS(t testing.TB, addr string, secure bool) *Client {
	t.Helper()
	c := DialTLS(t, addr, secure)
	if r := c.Handshake(); r.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("handshake: %s", r.Status)
	}
	return c
}

// StartTLS makes a TLS handshake over conn, which is the client's socket or wraps it. The client
// speaks TLS from then on.
func (c *Client) StartTLS(conn net.Conn, cfg *tls.Config) error {
	c.ResetDeadline()
	secured := tls.Client(conn, cfg)
	if err := secured.Handshake(); err != nil {
		return err
	}
	c.TLS, c.Reader = secured, bufio.NewReaderSize(secured, 64<<10)
	return nil
}

// TCP returns the socket of a client that has connected over TCP.
func (c *Client) TCP() *net.TCPConn { return c.Conn.(*net.TCPConn) }

// SendBytes writes bytes as they are.
func (c *Client) SendBytes(b []byte) {
	c.t.Helper()
	if err := c.TrySend(b); err != nil {
		c.t.Fatalf("writing %d bytes: %v", len(b), err)
	}
}

// TrySend is SendBytes, and returns the error. A server that has closed shows it in the next read
// as well.
func (c *Client) TrySend(b []byte) (err error) {
	c.ResetDeadline()
	if c.TLS != nil {
		_, err = c.TLS.Write(b)
	} else {
		_, err = c.Conn.Write(b)
	}
	return err
}

// SendPieces is SendBytes with a write for each n bytes.
func (c *Client) SendPieces(b []byte, n int) {
	c.t.Helper()
	for piece := range slices.Chunk(b, n) {
		c.SendBytes(piece)
	}
}

// Send writes one frame; see Frame.
func (c *Client) Send(b0 byte, payload string) {
	c.t.Helper()
	c.SendBytes(Frame(b0, payload))
}

// ReadFrame reads a frame of the server, which must not be masked and must have its length in the
// shortest form.
func (c *Client) ReadFrame() (b0 byte, payload []byte, err error) {
	c.ResetDeadline()
	var h [10]byte
	if _, err := io.ReadFull(c.Reader, h[:2]); err != nil {
		return 0, nil, err
	}
	length, extra := uint64(h[1]), 0
	switch h[1] {
	case 126:
		extra = 2
	case 127:
		extra = 8
	}
	if _, err := io.ReadFull(c.Reader, h[2:2+extra]); err != nil {
		return 0, nil, fmt.Errorf("in a header: %w", err)
	}
	if extra > 0 {
		length = binary.BigEndian.Uint64(append(make([]byte, 8-extra), h[2:2+extra]...))
	}
	if h[1] > 127 || extra == 2 && length < 126 || extra == 8 && length < 65536 || length > 1<<30 {
		return 0, nil, fmt.Errorf("bad header % x", h[:2+extra])
	}
	payload = make([]byte, length)
	if n, err := io.ReadFull(c.Reader, payload); err != nil {
		return 0, nil, fmt.Errorf("after %d of %d bytes of payload: %w", n, length, err)
	}
	return h[0], payload, nil
}

// ReadMessage reads a frame of the server, inflates it if it is compressed, and returns its opcode.
func (c *Client) ReadMessage() (op ws.OpCode, payload []byte, err error) {
	b0, payload, err := c.ReadFrame()
	if err != nil {
		return 0, nil, err
	}
	op = ws.OpCode(b0 & 0x0f)
	switch b0 & 0xf0 {
	case 0x80:
		return op, payload, nil
	case 0xc0:
		f, err := wsflate.DecompressFrame(ws.Frame{Header: ws.Header{Fin: true, Rsv: 4, OpCode: op, Length: int64(len(payload))}, Payload: payload})
		return op, f.Payload, err
	}
	return op, nil, fmt.Errorf("a frame with the first byte %02x", b0)
}

// Expect reads a frame and compares it.
func (c *Client) Expect(b0 byte, payload string) {
	c.t.Helper()
	got, p, err := c.ReadFrame()
	if err != nil || got != b0 || string(p) != payload {
		c.t.Fatalf("got frame %02x %s, %v; want %02x %s", got, Brief(string(p)), err, b0, Brief(payload))
	}
}

// Brief quotes a string, shortened for a test's message.
func Brief(s string) string {
	if len(s) > 60 {
		return fmt.Sprintf("%.50q… (%d bytes)", s, len(s))
	}
	return fmt.Sprintf("%q", s)
}

// ExpectClose reads a Close frame with one of the codes and answers it, unless the frame is an
// answer itself. Then it expects the end of the stream, and closes the socket. It returns the
// frame's reason.
func (c *Client) ExpectClose(codes ...int) string {
	c.t.Helper()
	defer c.Wait()()
	b0, p, err := c.ReadFrame()
	if err != nil || b0 != 0x88 {
		c.t.Fatalf("got frame %02x %s, %v; want Close %v", b0, Brief(string(p)), err, codes)
	}
	got := 1005
	if len(p) >= 2 {
		got = int(binary.BigEndian.Uint16(p))
	}
	if !slices.Contains(codes, got) {
		c.t.Fatalf("closed with %d %q, want %v", got, p[min(2, len(p)):], codes)
	}
	if !c.Closing {
		c.Closing = true
		c.TrySend(Frame(0x88, string(p)))
	}
	c.ExpectEOF()
	c.Conn.Close()
	return string(p[min(2, len(p)):])
}

// ExpectEOF expects the end of the stream: no more bytes, and no reset, which could destroy the
// bytes sent before it.
func (c *Client) ExpectEOF() {
	c.t.Helper()
	c.ResetDeadline()
	if b, err := c.Reader.ReadByte(); err != io.EOF {
		c.t.Fatalf("got byte %02x, %v; want the end of the stream", b, err)
	}
}

// Leave closes the connection with a Close frame of code 1000, which the server must answer next.
func (c *Client) Leave() {
	c.t.Helper()
	c.Closing = true
	c.Send(0x88, ClosePayload(1000, ""))
	c.ExpectClose(1000)
}

// HangUp closes the client's half of the connection, without a Close frame.
func (c *Client) HangUp() {
	if c.TLS != nil {
		c.TLS.CloseWrite()
	}
	c.TCP().CloseWrite()
}

// Rest reads to the end and lists the frames and the end that it has seen: "text hello, ping, close
// 1000, eof", with "reset" for a reset and "cut" for an end inside a frame. If answer is set, it
// answers a Close frame and hangs up.
func (c *Client) Rest(answer bool) string {
	defer c.Wait()()
	var got []string
	end := func(how string) string { return strings.Join(append(got, how), ", ") }
	for {
		b0, payload, err := c.ReadFrame()
		switch {
		case err == io.EOF:
			return end("eof")
		case errors.Is(err, syscall.ECONNRESET):
			return end("reset")
		case err != nil && strings.Contains(err.Error(), io.ErrUnexpectedEOF.Error()):
			return end("cut")
		case err != nil:
			return end(err.Error())
		case b0 == 0x88 && len(payload) >= 2:
			got = append(got, fmt.Sprintf("close %d", int(payload[0])<<8|int(payload[1])))
		case b0 == 0x88:
			got = append(got, "close")
		case b0 == 0x81:
			got = append(got, "text "+string(payload))
		case b0 == 0x89:
			got = append(got, "ping")
		}
		if b0 == 0x88 && answer {
			c.TrySend(Frame(0x88, string(payload)))
			c.HangUp()
		}
	}
}
