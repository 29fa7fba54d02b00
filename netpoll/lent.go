package netpoll

import (
	"container/list"
	"errors"
	"io"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"webim/netpoll/internal/addrs"
)

// stallTime is how long a client of net/http may keep the server waiting before its
// connection may give its place to another one.
const stallTime = 5 * time.Second

// lentConn is a connection while net/http has it. Its Read gives what was read
// before first.
type lentConn struct {
	net.Conn // through TLS, if there is one
	raw      net.Conn
	b        *httpBridge
	tls      *tlsState
	ip       uint32
	addr     netip.AddrPort
	head     []byte
	resting  *list.Element // its place among the idle ones, under lentConns.mu; nil: it is not idle

	handling atomic.Bool   // a handler runs
	writing  atomic.Bool   // a write waits for the client, or is about to return
	moved    atomic.Uint32 // tick of the last byte read or written
}

func (c *lentConn) Read(p []byte) (int, error) {
	defer c.move()
	if len(c.head) > 0 {
		n := copy(p, c.head)
		c.head = c.head[n:]
		return n, nil
	}
	n, err := c.Conn.Read(p)
	if c.tls != nil && n > 0 {
		if _, ok := c.tls.spoke(n); !ok {
			c.kill()
			return 0, errTLSWaste
		}
	}
	return n, err
}

// errTLSWaste is told to net/http, which says it to nobody: the connection is closed.
var errTLSWaste = errors.New("netpoll: too much TLS without data: send fewer key updates, and less padding")

func (c *lentConn) Write(p []byte) (int, error) {
	c.writing.Store(true)
	defer c.writing.Store(false)
	defer c.move()
	return c.Conn.Write(p)
}

// ReadFrom keeps sendfile for files.
func (c *lentConn) ReadFrom(r io.Reader) (int64, error) {
	c.writing.Store(true)
	defer c.writing.Store(false)
	defer c.move()
	return io.Copy(c.Conn, r)
}

func (c *lentConn) move() { c.moved.Store(c.b.s.clock.Look()) }

// stalled reports whether the server has waited for the client for a while: for the
// rest of a request, or for the answer to be taken.
func (c *lentConn) stalled(now uint32) bool {
	return now-c.moved.Load() >= c.b.s.ticks.stall && (c.writing.Load() || !c.handling.Load())
}

// Close ends the connection, and its place among the counted ones.
func (c *lentConn) Close() error {
	if c.leave() {
		c.b.s.open.Add(-1)
	}
	return c.Conn.Close()
}

// kill is Close without a word: TLS would wait for its goodbye to be taken.
func (c *lentConn) kill() {
	if c.leave() {
		c.b.s.open.Add(-1)
	}
	c.raw.Close()
}

// leave ends the lending, once; it reports whether this call did. Whoever it
// was has the connection's place among the open ones.
func (c *lentConn) leave() bool {
	s := c.b.s
	if !s.lent.remove(c) {
		return false
	}
	s.lendPlaceBack(c.ip)
	s.addrs.Remove(c.ip, false)
	return true
}

// lendPlace takes one of the MaxHTTP places, if there is one and the address has not
// its share. A connection that waits for its client gives its place: one of the same
// address, if it is the share that is used up.
func (s *Server) lendPlace(r *record) bool {
	if s.tryLendPlace(r) {
		return true
	}
	share := !s.addrs.HasSlot(r.ip, addrs.SlotHTTP, s.cfg.MaxHTTP)
	c := s.lent.longestWaiting(func(c *lentConn) bool { return !share || s.addrs.SameClient(c.ip, r.ip) })
	if c == nil {
		return false
	}
	c.kill()
	return s.tryLendPlace(r)
}

func (s *Server) tryLendPlace(r *record) bool {
	if s.lent.n.Add(1) <= int64(s.cfg.MaxHTTP) && s.addrs.TakeSlot(r.ip, addrs.SlotHTTP, s.cfg.MaxHTTP) {
		return true
	}
	s.lent.n.Add(-1)
	return false
}

func (s *Server) lendPlaceBack(ip uint32) {
	s.lent.n.Add(-1)
	s.addrs.GiveSlotBack(ip, addrs.SlotHTTP)
}

// lentConns are the connections that net/http has, or who took one from it.
type lentConns struct {
	n      atomic.Int64 // of conns, and of those that are on their way there
	mu     sync.Mutex
	conns  map[*lentConn]struct{}
	rest   list.List // of *lentConn that are idle, the longest first
	closed bool
}

// idle notes that a connection is idle, or no longer.
func (l *lentConns) idle(c *lentConn, is bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.resting != nil {
		l.rest.Remove(c.resting)
		c.resting = nil
	}
	if _, there := l.conns[c]; is && there {
		c.resting = l.rest.PushBack(c)
	}
}

// longestWaiting is the connection, of those that match, that has been idle longest
// between two requests; if none is idle, one that is stalled; nil if there is neither.
// It is no longer among the idle ones.
func (l *lentConns) longestWaiting(match func(*lentConn) bool) *lentConn {
	l.mu.Lock()
	defer l.mu.Unlock()
	for e := l.rest.Front(); e != nil; e = e.Next() {
		if c := e.Value.(*lentConn); match(c) {
			l.rest.Remove(e)
			c.resting = nil
			return c
		}
	}
	for c := range l.conns {
		if c.stalled(c.b.s.clock.Look()) && match(c) {
			return c
		}
	}
	return nil
}

// add notes a connection; once the server ends it kills it.
func (l *lentConns) add(c *lentConn) {
	c.move()
	l.mu.Lock()
	l.conns[c] = struct{}{}
	closed := l.closed
	l.mu.Unlock()
	if closed {
		c.kill()
	}
}

// remove reports whether the connection was there.
func (l *lentConns) remove(c *lentConn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, ok := l.conns[c]
	delete(l.conns, c)
	if c.resting != nil {
		l.rest.Remove(c.resting)
		c.resting = nil
	}
	return ok
}

// killAll ends all that are there, and all that will come.
func (l *lentConns) killAll() {
	l.mu.Lock()
	l.closed = true
	all := slices.Collect(maps.Keys(l.conns))
	l.mu.Unlock()
	for _, c := range all {
		c.kill()
	}
}
