package wstest

import (
	"bytes"
	"net"
	"net/http"
	"strings"
	"testing"

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
