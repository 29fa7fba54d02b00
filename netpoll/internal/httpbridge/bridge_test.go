package httpbridge

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"webim/netpoll/internal/addrs"
	"webim/netpoll/internal/refusal"
	"webim/netpoll/internal/socket"
	"webim/netpoll/internal/tlsmem"
	"webim/netpoll/wstest"

	"golang.org/x/sys/unix"
)

// bridged is a bridge whose test plays the event loop.
type bridged struct {
	t     *testing.T
	ln    net.Listener
	table addrs.Table
	conns Conns
	b     *Bridge
	left  atomic.Int64
	backs chan string // the heads that came back
	fds   chan int
}

func serve(t *testing.T, max int, h http.HandlerFunc) *bridged {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &bridged{t: t, ln: ln, backs: make(chan string, 9), fds: make(chan int, 9)}
	s.conns.Addrs, s.conns.Stall = &s.table, 1<<30
	s.conns.SetMax(max)
	s.conns.Now, s.conns.Left = func() uint32 { return 1 }, func() { s.left.Add(1) }
	var running sync.WaitGroup
	s.b = New(Config{
		Addr: ln.Addr(), Handler: h, Conns: &s.conns, Refusals: refusal.NewReporter(nil), Running: &running,
		Logger: slog.New(slog.DiscardHandler), MaxHead: 4096, Timeout: time.Minute,
		Back: func(fd int, addr netip.AddrPort, head []byte, tls *tlsmem.Conn, left func()) {
			left()
			s.backs <- string(head)
			s.fds <- fd
		},
	})
	t.Cleanup(func() {
		s.conns.AbortAll()
		s.b.Close()
		running.Wait()
		ln.Close()
		if all, _ := s.conns.Len(); all != 0 || s.conns.Slots() != 0 || s.table.Len() != 0 {
			t.Errorf("left: %d connections, %d slots, %d addresses", all, s.conns.Slots(), s.table.Len())
		}
	})
	return s
}

// open makes a connection as the loop does, of which it has read head. It returns the client's side, and
// false if there is no slot for it.
func (s *bridged) open(head string) (net.Conn, bool) {
	s.t.Helper()
	return s.openFrom("127.0.0.1", head)
}

// openFrom is open for a client that has another address.
func (s *bridged) openFrom(from, head string) (net.Conn, bool) {
	s.t.Helper()
	c, err := net.Dial("tcp", s.ln.Addr().String())
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(wstest.Patience))
	accepted, err := s.ln.Accept()
	if err != nil {
		s.t.Fatal(err)
	}
	defer accepted.Close()
	fd, err := socket.Dup(accepted)
	if err != nil {
		s.t.Fatal(err)
	}
	addr := netip.AddrPortFrom(netip.MustParseAddr(from), 1)
	ip, _ := s.table.Add(addr.Addr(), 0, 0)
	if !s.conns.TakeSlot(ip) {
		s.table.Remove(ip, true)
		unix.Close(fd)
		return nil, false
	}
	conn, err := s.b.Adopt(fd, nil, ip, addr, []byte(head))
	if err != nil {
		s.t.Fatal(err)
	}
	s.table.Opened(ip)
	conn.Serve()
	return c, true
}

// answer reads one answer, and returns its body.
func answer(t *testing.T, c net.Conn) string {
	t.Helper()
	r, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

const ask = "GET /page HTTP/1.1\r\nHost: h\r\n\r\n"

func echoPath(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.URL.Path) }

// TestConnectionComesBack checks that bytes which the loop has read are not lost, and that an upgrade on
// the connection goes back with all bytes behind it, while the server still counts the connection.
func TestConnectionComesBack(t *testing.T) {
	s := serve(t, 4, echoPath)
	c, _ := s.open(ask[:9])
	io.WriteString(c, ask[9:])
	if got := answer(t, c); got != "/page" {
		t.Fatalf("the answer is %q", got)
	}
	io.WriteString(c, "GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nframes")
	head := <-s.backs
	if !strings.HasPrefix(head, "GET /ws HTTP/1.1\r\nHost: h\r\n") || !strings.Contains(head, "Upgrade: websocket\r\n") || !strings.HasSuffix(head, "\r\n\r\nframes") {
		t.Errorf("back came %q", head)
	}
	fd := <-s.fds
	unix.Write(fd, []byte("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"))
	if got := answer(t, c); got != "hello" {
		t.Errorf("on the descriptor came %q", got)
	}
	unix.Close(fd)
	if n := s.left.Load(); n != 0 {
		t.Errorf("%d connections are taken off the server's count", n)
	}
}

// TestIdleEndsForAnother checks that the connection that has been idle longest ends if no slot is free, and
// that none ends while a handler works.
func TestIdleEndsForAnother(t *testing.T) {
	work, release := make(chan bool), make(chan bool)
	s := serve(t, 2, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/work" {
			work <- true
			<-release
		}
		echoPath(w, r)
	})
	defer close(release)
	var idle []net.Conn
	for n := range 2 {
		c, _ := s.open(ask)
		answer(t, c)
		idle = append(idle, c)
		wstest.Eventually(t, "it is idle", func() bool { _, waiting := s.conns.Len(); return waiting == n+1 })
	}
	for n, old := range idle {
		if _, ok := s.open("GET /work HTTP/1.1\r\nHost: h\r\n\r\n"); !ok {
			t.Fatalf("no slot for connection %d", n)
		}
		<-work
		if _, err := old.Read(make([]byte, 1)); err == nil {
			t.Errorf("connection %d has not ended", n)
		}
	}
	if _, ok := s.open(ask); ok {
		t.Error("a connection has a slot while handlers work on all")
	}
	if n := s.left.Load(); n != 2 {
		t.Errorf("%d connections are taken off the server's count", n)
	}
}

// TestStalledEndsForAnother checks that a connection whose client does not send the rest of its request
// ends once it has had its time.
func TestStalledEndsForAnother(t *testing.T) {
	s := serve(t, 1, echoPath)
	c, _ := s.open("GET /page HTTP/1.1\r\n")
	if _, ok := s.open(ask); ok {
		t.Fatal("it has ended before its time")
	}
	s.conns.Stall = 0
	next, ok := s.open(ask)
	if !ok {
		t.Fatal("it has not ended")
	}
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("its socket is open")
	}
	if got := answer(t, next); got != "/page" {
		t.Errorf("the answer is %q", got)
	}
}

// TestShareEndsOwnIdle checks that a client that has used up its share ends its own idle connection, though
// another client's has been idle for longer.
func TestShareEndsOwnIdle(t *testing.T) {
	s := serve(t, 8, echoPath)
	var all []net.Conn
	for n, from := range []string{"192.0.2.1", "192.0.2.2", "192.0.2.2"} {
		c, ok := s.openFrom(from, ask)
		if !ok {
			t.Fatalf("no slot for connection %d", n)
		}
		answer(t, c)
		all = append(all, c)
		wstest.Eventually(t, "it is idle", func() bool { _, waiting := s.conns.Len(); return waiting == n+1 })
	}
	if _, ok := s.openFrom("192.0.2.2", ask); !ok {
		t.Fatal("no slot")
	}
	if _, err := all[1].Read(make([]byte, 1)); err == nil {
		t.Error("its own idle connection has not ended")
	}
	io.WriteString(all[0], ask)
	if got := answer(t, all[0]); got != "/page" {
		t.Errorf("the answer to the other client is %q", got)
	}
}
