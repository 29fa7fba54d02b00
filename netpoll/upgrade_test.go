package netpoll

import (
	"bytes"
	"io"
	"net/netip"
	"testing"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"
)

// What is written first stays first, even if the socket takes none of it and a
// pong is pending meanwhile, which goes before all that is whole.
func TestWriteFirst(t *testing.T) {
	s := serve(t, Config{}, nil)
	c, end := join(t, s, 4096)
	r := c.r
	full := 0
	for junk := make([]byte, 4096); ; {
		n, err := unix.Write(int(r.fd), junk)
		if err == unix.EAGAIN {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		full += n
	}
	r.mu.Lock()
	r.w |= wBit
	r.mu.Unlock()
	s.writeFirst(r, []byte("the answer"))
	s.pong(&worker{s: s}, r, []byte("pong"))
	if n := lag(c); n == 0 {
		t.Fatal("nothing waits")
	}
	got := make([]byte, full+len("the answer")+6)
	if _, err := io.ReadFull(end, got); err != nil {
		t.Fatal(err)
	}
	if got = got[full:]; !bytes.Equal(got, []byte("the answer\x8a\x04pong")) {
		t.Errorf("%q", got)
	}
	end.Close()
}

// What Open pushes leaves with the answer, in one write: a socket that keeps the bounds of
// writes shows it. A Close in Open does, too.
func TestAnswerLeavesWithFirstFrames(t *testing.T) {
	for name, tt := range map[string]struct {
		open func(c Conn)
		want string
	}{
		"nothing": {func(Conn) {}, ""},
		"pushes": {func(c Conn) {
			for _, text := range []string{"one", "two"} {
				if err := c.Push(ws.OpText, []byte(text)); err != nil {
					t.Error(err)
				}
			}
		}, "\x81\x03one\x81\x03two"},
		"close": {func(c Conn) { c.Close(ws.StatusNormalClosure, "") }, "\x88\x02\x03\xe8"},
	} {
		s := serve(t, Config{}, &Funcs{OnOpen: func(c Conn, _ *Request) { tt.open(c) }})
		fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := unix.SetNonblock(fds[0], true); err != nil {
			t.Fatal(err)
		}
		s.addConn(s.listeners()[0], fds[0], netip.Addr{}, 0, nil)
		if _, err := unix.Write(fds[1], []byte(askUpgrade)); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 1<<10)
		n, err := unix.Read(fds[1], b)
		head, rest, _ := bytes.Cut(b[:max(0, n)], []byte("\r\n\r\n"))
		if err != nil || !bytes.HasPrefix(head, []byte("HTTP/1.1 101 ")) || string(rest) != tt.want {
			t.Errorf("%s: %q, %v; want the answer with %q", name, b[:max(0, n)], err, tt.want)
		}
		unix.Close(fds[1])
	}
}
