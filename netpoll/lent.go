package netpoll

import (
	"container/list"
	"io"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
)

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
}

func (c *lentConn) Read(p []byte) (int, error) {
	if len(c.head) > 0 {
		n := copy(p, c.head)
		c.head = c.head[n:]
		return n, nil
	}
	return c.Conn.Read(p)
}

// ReadFrom keeps sendfile for files.
func (c *lentConn) ReadFrom(r io.Reader) (int64, error) { return io.Copy(c.Conn, r) }

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
	s.addrs.leave(c.ip, false)
	return true
}

// lendPlace takes one of the MaxHTTP places, if there is one and the address has not
// its share. A connection that is idle between two requests gives its place: the one
// that has been so longest, of the same address if it is the share that is used up.
func (s *Server) lendPlace(r *record) bool {
	if s.tryLendPlace(r) {
		return true
	}
	own := func(c *lentConn) bool { return s.addrs.sameClient(c.ip, r.ip) }
	any := func(*lentConn) bool { return true }
	for _, match := range []func(*lentConn) bool{any, own} {
		if idle := s.lent.longestIdle(match); idle != nil {
			idle.kill()
			if s.tryLendPlace(r) {
				return true
			}
		}
	}
	return false
}

func (s *Server) tryLendPlace(r *record) bool {
	if s.lent.n.Add(1) <= int64(s.cfg.MaxHTTP) && s.addrs.take(r.ip, placeHTTP, s.cfg.MaxHTTP) {
		return true
	}
	s.lent.n.Add(-1)
	return false
}

func (s *Server) lendPlaceBack(ip uint32) {
	s.lent.n.Add(-1)
	s.addrs.giveBack(ip, placeHTTP)
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

// longestIdle takes the connection that has been idle longest, of those that match,
// from the idle ones; nil: there is none.
func (l *lentConns) longestIdle(match func(*lentConn) bool) *lentConn {
	l.mu.Lock()
	defer l.mu.Unlock()
	for e := l.rest.Front(); e != nil; e = e.Next() {
		if c := e.Value.(*lentConn); match(c) {
			l.rest.Remove(e)
			c.resting = nil
			return c
		}
	}
	return nil
}

// add notes a connection; once the server ends it kills it.
func (l *lentConns) add(c *lentConn) {
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
