package wstest

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/centrifugal/protocol"
	"github.com/gobwas/ws"
)

// TestFrame checks that gobwas/ws reads each frame as it was meant.
func TestFrame(t *testing.T) {
	for _, size := range []int{0, 1, 125, 126, 65535, 65536, 300_000} {
		payload := strings.Repeat("0123456789", size/10+1)[:size]
		f, err := ws.ReadFrame(bytes.NewReader(Frame(0x42, payload)))
		if err != nil {
			t.Fatal(err)
		}
		if h := f.Header; h.Fin || h.Rsv != 4 || h.OpCode != ws.OpBinary || !h.Masked || h.Length != int64(size) {
			t.Errorf("%d bytes: header %+v", size, h)
		}
		if f = ws.UnmaskFrame(f); string(f.Payload) != payload {
			t.Errorf("%d bytes: the payload is different", size)
		}
	}
}

// script is a server that answers the handshake and then sends the frames, and closes.
func script(t *testing.T, frames ...ws.Frame) (addr string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		if _, err := ws.Upgrade(conn); err != nil {
			t.Error(err)
		}
		for _, f := range frames {
			ws.WriteFrame(conn, f)
		}
		conn.(*net.TCPConn).CloseWrite()
		for {
			if _, err := ws.ReadFrame(conn); err != nil {
				return
			}
		}
	}()
	return ln.Addr().String()
}

func TestRest(t *testing.T) {
	goodbye := ws.NewCloseFrame(ws.NewCloseFrameBody(1001, "bye"))
	for _, c := range []struct {
		frames []ws.Frame
		want   string
	}{
		{nil, "eof"},
		{[]ws.Frame{ws.NewTextFrame([]byte("hello")), ws.NewPingFrame(nil), goodbye}, "text hello, ping, close 1001, eof"},
		{[]ws.Frame{ws.NewCloseFrame(nil)}, "close, eof"},
		{[]ws.Frame{{Header: ws.Header{Fin: true, OpCode: ws.OpText, Length: 9}, Payload: []byte("short")}}, "cut"},
	} {
		if got := Connect(t, script(t, c.frames...)).Rest(true); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
	if reason := Connect(t, script(t, goodbye)).ExpectClose(1000, 1001); reason != "bye" {
		t.Errorf("reason %q", reason)
	}
}

// A frame that a server must not send is an error: with a mask, or with a length that is too long.
func TestReadFrameRefuses(t *testing.T) {
	for _, bad := range []string{"\x81\x81abcdx", "\x81\x7e\x00\x05hello", "\x81\x7f\x00\x00\x00\x00\x00\x00\x00\x05hello"} {
		client, server := net.Pipe()
		go func() {
			server.Write([]byte(bad))
			server.Close()
		}()
		if b0, p, err := NewClient(t, client).ReadFrame(); err == nil {
			t.Errorf("% x: read as %02x %q", bad, b0, p)
		}
	}
}

func TestHandshakeTells(t *testing.T) {
	client, server := net.Pipe()
	go func() {
		http.ReadRequest(NewClient(t, server).Reader)
		server.Write([]byte("HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: wrong\r\n\r\n"))
	}()
	if _, err := NewClient(t, client).TryHandshake("/"); err == nil {
		t.Error("a wrong accept key is accepted")
	}
}

// pinging is a connection to a server that only sends pings, until the deadline of the client has passed.
type pinging struct {
	net.Conn
	pings     int
	deadlines int // that the client has set
}

func (p *pinging) SetDeadline(time.Time) error { p.deadlines++; return nil }
func (p *pinging) Write(b []byte) (int, error) { return len(b), nil }
func (p *pinging) Close() error                { return nil }
func (p *pinging) Read(b []byte) (n int, err error) {
	if p.pings == 0 {
		return 0, os.ErrDeadlineExceeded
	}
	p.pings--
	return copy(b, "\x81\x02{}"), nil
}

// failing is a testing.TB whose failures end only the goroutine.
type failing struct {
	testing.TB
	said string
}

func (f *failing) Fatalf(format string, args ...any) {
	f.said = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// TestWaitsEnd checks that a server which pings for ever gives no reader more time: each wait has one deadline.
func TestWaitsEnd(t *testing.T) {
	for name, wait := range map[string]func(*Protocol){
		"next":         func(p *Protocol) { p.Next() },
		"ask":          func(p *Protocol) { p.Ask(&protocol.Command{Ping: &protocol.PingRequest{}}) },
		"push":         func(p *Protocol) { p.Push() },
		"disconnected": func(p *Protocol) { p.Disconnected() },
		"rest":         func(p *Protocol) { p.Rest(false) },
		"a loop of the test": func(p *Protocol) {
			defer p.Wait()()
			for p.ReadReplies() == nil {
			}
		},
	} {
		conn, done := &pinging{pings: 1000}, make(chan bool)
		p := &Protocol{Client: NewClient(&failing{TB: t}, conn)}
		go func() {
			defer close(done)
			wait(p)
		}()
		if <-done; conn.deadlines != 1 || conn.pings > 0 {
			t.Errorf("%s: %d deadlines, and %d pings are left", name, conn.deadlines, conn.pings)
		}
		if p.waits.Load() != 0 {
			t.Errorf("%s: the wait has not ended", name)
		}
	}
}
