package netpoll

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"webim/netpoll/wstest"

	"golang.org/x/sys/unix"
)

// serve runs a server whose connections come by join, and sees at the end that
// its queues hold nothing.
func serve(t testing.TB, cfg Config, h Handler) *Server {
	t.Helper()
	if cfg.PingInterval == 0 {
		cfg.PingInterval = -1
	}
	// A client that waits for a processor is not slow.
	cfg.HandshakeTimeout, cfg.WriteTimeout = cmp.Or(cfg.HandshakeTimeout, wstest.Patience), cmp.Or(cfg.WriteTimeout, wstest.Patience)
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	s := New(cfg, h)
	if _, err := s.Listen(Listener{Addr: "127.0.0.1:0"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Close()
		wstest.Eventually(t, "no address is known", func() bool { // handlers of net/http may end later
			return s.addrs.Len() == 0
		})
		if q, n := s.queued.Load(), s.outputs.Len(); q != 0 || n != 0 || s.unfinished.Load() != 0 || s.inputs.Len() != 0 || s.extras.Len() != 0 {
			t.Errorf("at the end %d bytes are queued in %d outputs, %d unfinished in %d inputs; %d extras", q, n, s.unfinished.Load(), s.inputs.Len(), s.extras.Len())
		}
	})
	return s
}

// peerEnd is the client's end of a connection.
type peerEnd struct {
	net.Conn
	br     *bufio.Reader
	answer int // length of the answer to the upgrade
}

// join opens a connection over a socketpair with a send buffer of so many
// bytes (0: the kernel's default); headers go into the upgrade.
func join(t testing.TB, s *Server, sendBuffer int, headers ...string) (Conn, *peerEnd) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	if sendBuffer > 0 {
		if err := unix.SetsockoptInt(fds[0], unix.SOL_SOCKET, unix.SO_SNDBUF, sendBuffer); err != nil {
			t.Fatal(err)
		}
	}
	f := os.NewFile(uintptr(fds[1]), "client")
	nc, err := net.FileConn(f)
	f.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	s.addConn(s.listeners()[0], fds[0], netip.Addr{}, 0, nil)
	end := &peerEnd{Conn: nc, br: bufio.NewReaderSize(nc, 64<<10)}
	end.SetDeadline(time.Now().Add(wstest.Patience))
	fmt.Fprintf(end, "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s\r\n", strings.Join(append(headers, ""), "\r\n"))
	var answer bytes.Buffer
	r, err := http.ReadResponse(bufio.NewReader(io.TeeReader(oneByte{end.br}, &answer)), nil)
	if err != nil || r.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("handshake: %v, %v", r, err)
	}
	end.answer = answer.Len()
	for c := range s.Conns() {
		if c.FD() == fds[0] {
			return c, end
		}
	}
	t.Fatal("the connection is not among the open ones")
	return Conn{}, nil
}

// oneByte reads no further than it must, so that a buffer over it does not eat
// what comes behind.
type oneByte struct{ *bufio.Reader }

func (r oneByte) Read(p []byte) (int, error) { return r.Reader.Read(p[:min(len(p), 1)]) }

// readFrame reads a whole frame of the server's.
func readFrame(r io.Reader) (head, payload []byte, err error) {
	head = make([]byte, 2, 10)
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, nil, err
	}
	for {
		h, n, perr := parseServerHeader(head)
		if perr != nil {
			return nil, nil, perr
		}
		if n > 0 {
			payload = make([]byte, h)
			_, err = io.ReadFull(r, payload)
			return head, payload, err
		}
		head = append(head, 0)
		if _, err := io.ReadFull(r, head[len(head)-1:]); err != nil {
			return nil, nil, err
		}
	}
}

// parseServerHeader is naive on purpose.
func parseServerHeader(b []byte) (length, n int, err error) {
	switch {
	case b[0]&0x70 != 0 || b[1]&0x80 != 0:
		return 0, 0, fmt.Errorf("not a server's header: % x", b)
	case b[1] < 126:
		return int(b[1]), 2, nil
	case b[1] == 126 && len(b) == 4:
		return int(binary.BigEndian.Uint16(b[2:])), 4, nil
	case b[1] == 127 && len(b) == 10:
		return int(binary.BigEndian.Uint64(b[2:])), 10, nil
	}
	return 0, 0, nil
}

func nextFrame(t testing.TB, end *peerEnd) []byte {
	t.Helper()
	head, payload, err := readFrame(end.br)
	if err != nil {
		t.Fatal(err)
	}
	return append(head, payload...)
}

// lag is what waits for a connection, be it for room or for the turn's end.
func lag(c Conn) int {
	c.r.mu.Lock()
	defer c.r.mu.Unlock()
	return c.s.heldLocked(c.r)
}
