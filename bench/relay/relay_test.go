package relay

import (
	"bufio"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience limits how long a test waits for bytes that must come.
const patience = time.Minute

// target is a server that gives its connections to the test.
type target struct {
	t     *testing.T
	l     net.Listener
	conns chan net.Conn
}

func newTarget(t *testing.T) *target {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &target{t, l, make(chan net.Conn, 8)}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.conns <- c
		}
	}()
	return s
}

// start starts a relay in front of a target.
func start(t *testing.T, nats bool) (*Relay, *target) {
	t.Helper()
	r, err := New(nats)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	s := newTarget(t)
	r.SetTarget(s.l.Addr().String())
	return r, s
}

// end is one end of a connection through the relay.
type end struct {
	net.Conn
	t *testing.T
	r *bufio.Reader
}

func (s *target) pair(r *Relay) (client, server *end) {
	s.t.Helper()
	c, err := net.Dial("tcp", r.Addr())
	if err != nil {
		s.t.Fatal(err)
	}
	select {
	case other := <-s.conns:
		ends := [2]*end{}
		for i, conn := range []net.Conn{c, other} {
			s.t.Cleanup(func() { _ = conn.Close() })
			_ = conn.SetDeadline(time.Now().Add(patience))
			ends[i] = &end{conn, s.t, bufio.NewReader(conn)}
		}
		return ends[0], ends[1]
	case <-time.After(patience):
		s.t.Fatal("the relay does not connect to its target")
		return nil, nil
	}
}

func (e *end) say(text string) {
	e.t.Helper()
	if _, err := io.WriteString(e, text); err != nil {
		e.t.Fatal(err)
	}
}

func (e *end) hears(text string) {
	e.t.Helper()
	b := make([]byte, len(text))
	if _, err := io.ReadFull(e.r, b); err != nil || string(b) != text {
		e.t.Fatalf("read %q, %v; want %q", b, err, text)
	}
}

// hearsNothing reads for a short time. The caller knows that bytes are on their way.
func (e *end) hearsNothing() {
	e.t.Helper()
	_ = e.SetReadDeadline(time.Now().Add(30 * time.Millisecond))
	defer e.SetDeadline(time.Now().Add(patience))
	var timeout net.Error
	if b, err := e.r.ReadByte(); err == nil || !errors.As(err, &timeout) || !timeout.Timeout() {
		e.t.Fatalf("read %q, %v", b, err)
	}
}

func (e *end) isClosed() {
	e.t.Helper()
	if b, err := e.r.ReadByte(); err == nil {
		e.t.Fatalf("read %q", b)
	}
}

func TestCopies(t *testing.T) {
	for _, nats := range []bool{false, true} {
		r, s := start(t, nats)
		a, b := s.pair(r)
		a.say("PING\r\n")
		b.hears("PING\r\n")
		b.say("MSG a.b 1 3\r\n\r\nx\r\nPONG\r\n")
		a.hears("MSG a.b 1 3\r\n\r\nx\r\nPONG\r\n")
		b.Close()
		a.isClosed()
	}
}

func TestStallOneWay(t *testing.T) {
	r, s := start(t, true)
	a, b := s.pair(r)
	r.Stall(Down, true)
	b.say("one\r\n")
	a.say("up\r\n")
	b.hears("up\r\n") // the other direction goes on
	a.hearsNothing()
	b.say("two\r\n")
	r.Stall(Down, false)
	a.hears("one\r\ntwo\r\n")
	r.Stall(Up, true)
	a.say("three\r\n")
	b.say("down\r\n")
	a.hears("down\r\n")
	b.hearsNothing()
	c, d := s.pair(r) // accepted, and nothing passes
	c.say("four\r\n")
	d.hearsNothing()
	r.Reset()
	for _, e := range []*end{a, b, c, d} {
		e.isClosed()
	}
}

func TestCut(t *testing.T) {
	r, s := start(t, false)
	a, b := s.pair(r)
	r.Cut(true)
	a.isClosed()
	b.isClosed()
	c, err := net.Dial("tcp", r.Addr())
	if err == nil {
		(&end{c, t, bufio.NewReader(c)}).isClosed()
	}
	r.Cut(false)
	a, b = s.pair(r)
	a.say("x")
	b.hears("x")
	other := newTarget(t)
	r.SetTarget(other.l.Addr().String())
	c2, d2 := other.pair(r)
	c2.say("y")
	d2.hears("y")
}

func TestDropsMessages(t *testing.T) {
	r, s := start(t, true)
	a, b := s.pair(r)
	r.Drop(func(subject string) bool { return strings.HasPrefix(subject, "live.") })
	b.say("MSG room.a 1 2\r\nhi\r\nMSG live.a 2 5\r\nMSG x\r\nHMSG live.b 3 _INBOX.1 4 6\r\n1234ab\r\nHMSG room.b 4 4 6\r\nMSG \r\n\r\n+OK\r\n")
	a.hears("MSG room.a 1 2\r\nhi\r\nHMSG room.b 4 4 6\r\nMSG \r\n\r\n+OK\r\n")
	if n := r.Dropped(); n != 2 {
		t.Errorf("%d messages were dropped", n)
	}
	r.Drop(nil)
	b.say("MSG live.a 2 2\r\nhi\r\n")
	a.hears("MSG live.a 2 2\r\nhi\r\n")
}
