package netpoll

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gobwas/ws"

	"webim/netpoll/fdpass"
	"webim/netpoll/internal/moving"
	"webim/netpoll/wstest"
)

// mover is a handler whose connections move. It echoes messages, and gives each connection a name.
type mover struct {
	mu     sync.Mutex
	opened int
	stayed []ID
	closed map[ID]Closed
	stays  func(Conn) bool // nil: none
	took   func(Conn, string) error
}

func (m *mover) Open(c Conn, _ *Request) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.opened++
	c.SetData(fmt.Sprint("conn ", m.opened))
}

func (m *mover) Message(c Conn, op ws.OpCode, data []byte) { _ = c.Push(op, data) }

func (m *mover) Close(c Conn, why Closed) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed == nil {
		m.closed = map[ID]Closed{}
	}
	if _, twice := m.closed[c.ID()]; twice {
		panic("closed twice")
	}
	m.closed[c.ID()] = why
}

func (m *mover) Export(c Conn, dst []byte) ([]byte, bool) {
	return append(dst, c.Data().(string)...), m.stays == nil || !m.stays(c)
}

func (m *mover) Stay(c Conn) { m.stayed = append(m.stayed, c.ID()) }

func (m *mover) Adopt(c Conn, data []byte) error {
	c.SetData(string(data))
	if m.took != nil {
		return m.took(c, string(data))
	}
	return nil
}

// closedAs waits for the end of a connection.
func (m *mover) closedAs(t testing.TB, id ID) (why Closed) {
	t.Helper()
	wstest.Eventually(t, "the connection has ended", func() (ended bool) {
		m.mu.Lock()
		defer m.mu.Unlock()
		why, ended = m.closed[id]
		return ended
	})
	return why
}

func (m *mover) numClosed() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.closed)
}

func movingConfig() Config {
	// While a loop writes, all that a test pushes counts in the queue: with the default it would be full.
	return Config{PingInterval: -1, Logger: slog.New(slog.DiscardHandler), Loops: 2, RunOnLoop: true, Workers: 2, MaxQueue: 128 << 20}
}

// movable runs a server with a mover, and closes it at the end of the test.
func movable(t testing.TB, cfg Config, l Listener) (*Server, *mover, string) {
	t.Helper()
	m := &mover{}
	s := New(cfg, m)
	addr, err := s.Listen(l)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s, m, addr.String()
}

func hold(t testing.TB, s *Server) *Held {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), wstest.Patience)
	defer cancel()
	h, err := s.Hold(ctx)
	if err == nil {
		err = h.Freeze(ctx)
	}
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// sent returns descriptors as another process would get them.
func sent(t testing.TB, fds ...int) []int {
	t.Helper()
	a, file, err := fdpass.Pair()
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	b, err := fdpass.FromFile(file)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if err := a.Send([]byte("m"), fds...); err != nil {
		t.Fatal(err)
	}
	_, got, err := b.Receive()
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// successor makes a frozen server with the listeners of another one.
func successor(t testing.TB, cfg Config, old *Held) (*Server, *mover, *Held) {
	t.Helper()
	s, m, h := heir(t, cfg)
	h.inherit(t, old)
	return s, m, h
}

// heir makes a frozen server that has nothing yet.
func heir(t testing.TB, cfg Config) (*Server, *mover, *Held) {
	t.Helper()
	m := &mover{}
	s := New(cfg, m)
	t.Cleanup(func() { s.Close() })
	return s, m, hold(t, s)
}

// lend lends the sockets of a server to a frozen one, and returns how many.
func lend(t testing.TB, old *Server, to *Held) (n int) {
	t.Helper()
	err := old.Lend(func(ids []byte, fds []int) error {
		n += len(fds)
		return to.Borrow(ids, sent(t, fds...))
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// inherit gives a frozen server the listeners and the state of another one.
func (h *Held) inherit(t testing.TB, old *Held) {
	t.Helper()
	s := h.s
	for _, l := range old.s.Listeners() {
		l.FD, l.Handler, l.HTTP = sent(t, l.FD)[0], nil, nil
		if _, err := s.Listen(l); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.Restore(old.State()); err != nil {
		t.Fatal(err)
	}
}

// handOver moves the connections of a server to a new one.
func handOver(t testing.TB, old *Server, cfg Config) (*Server, *mover, int) {
	t.Helper()
	s, m, to := heir(t, cfg)
	lend(t, old, to)
	return s, m, handOverTo(t, old, to)
}

// handOverTo is handOver to a server that is frozen.
func handOverTo(t testing.TB, old *Server, to *Held) (moved int) {
	t.Helper()
	from := hold(t, old)
	to.inherit(t, from)
	moved, err := from.Export(true, func(state []byte, fds []int) error { return to.Adopt(state, sent(t, fds...)) })
	if err == nil {
		err = to.Adopted()
	}
	if err == nil {
		err = from.Commit()
	}
	if err != nil {
		t.Fatal(err)
	}
	from.Release()
	to.Thaw()
	return moved
}

// readBytes waits until the server has read n bytes of each client behind its handshake.
func readBytes(t testing.TB, s *Server, total int64) {
	t.Helper()
	wstest.Eventually(t, "the server has read everything", func() bool { return s.Stats().BytesIn >= total })
}

// stream is what a client sends in TestMoveAtEachByte, and the answers.
func stream() (in []byte, answers []string) {
	frame := func(b0 byte, text string) { in = append(in, wstest.Frame(b0, text)...) }
	frame(0x81, "one")
	frame(0x01, "tw") // fragments, cut inside a letter of two bytes
	frame(0x89, "ping")
	frame(0x00, "o\xc3")
	frame(0x80, "\xa4")
	frame(0x82, strings.Repeat("b", 130))
	frame(0x81, "")
	return in, []string{"81 one", "8a ping", "81 two\xc3\xa4", "82 " + strings.Repeat("b", 130), "81 "}
}

func openConns(s *Server) (n int) {
	for range s.Conns() {
		n++
	}
	return n
}

// stateOf returns the connections of a frozen server as another process gets them.
func stateOf(t testing.TB, h *Held) map[ID]*moving.Conn {
	t.Helper()
	all := map[ID]*moving.Conn{}
	var r moving.Reader
	_, err := h.Export(true, func(state []byte, _ []int) error {
		conns, err := r.Parse(state)
		for _, c := range conns {
			all[ID(c.ID)] = &c
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// unsent returns the bytes that a connection will write. A pong that waits comes behind the frame that is partly written.
func unsent(c *moving.Conn) []byte {
	var cut, rest []byte
	for i, r := range c.Output.Refs {
		if i == 0 && c.Output.Cut {
			cut = r.B
		} else {
			rest = append(rest, r.B...)
		}
	}
	return slices.Concat(cut, c.Output.Pong, rest)
}

// entries counts the registrations at the epoll instances of this process.
func entries(t testing.TB) (n int) {
	t.Helper()
	dir, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range dir {
		if name, _ := os.Readlink("/proc/self/fd/" + e.Name()); name == "anon_inode:[eventpoll]" {
			info, _ := os.ReadFile("/proc/self/fdinfo/" + e.Name())
			n += strings.Count(string(info), "tfd:")
		}
	}
	return n
}
