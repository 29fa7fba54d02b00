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

// stallTime is the time for which a client of net/http may keep the server waiting before its
// connection may be ended for another one.
const stallTime = 5 * time.Second

// httpConn is a connection while net/http has it. Its Read first returns the bytes that were read
// before.
type httpConn struct {
	net.Conn  // through TLS, if there is one
	raw       net.Conn
	b         *httpBridge
	tls       *tlsState
	ip        uint32
	addr      netip.AddrPort
	head      []byte
	idleEntry *list.Element // its element in the list of idle ones, under httpConns.mu; nil: it is not idle

	handling    atomic.Bool   // a handler is running
	writing     atomic.Bool   // a write waits for the client, or is about to return
	lastTraffic atomic.Uint32 // tick of the last byte read or written
}

func (c *httpConn) Read(p []byte) (int, error) {
	defer c.noteTraffic()
	if len(c.head) > 0 {
		n := copy(p, c.head)
		c.head = c.head[n:]
		return n, nil
	}
	n, err := c.Conn.Read(p)
	if c.tls != nil && n > 0 {
		if _, ok := c.tls.CountText(n); !ok {
			c.abort()
			return 0, errTLSWaste
		}
	}
	return n, err
}

// errTLSWaste is returned to net/http, which tells nobody: the connection is closed.
var errTLSWaste = errors.New("netpoll: too much TLS without data: send fewer key updates, and less padding")

func (c *httpConn) Write(p []byte) (int, error) {
	c.writing.Store(true)
	defer c.writing.Store(false)
	defer c.noteTraffic()
	return c.Conn.Write(p)
}

// ReadFrom lets net/http use sendfile for files.
func (c *httpConn) ReadFrom(r io.Reader) (int64, error) {
	c.writing.Store(true)
	defer c.writing.Store(false)
	defer c.noteTraffic()
	return io.Copy(c.Conn, r)
}

func (c *httpConn) noteTraffic() { c.lastTraffic.Store(c.b.s.clock.Look()) }

// stalled reports whether the server has waited for the client for stallTime: for the rest of a
// request, or for the client to take the answer.
func (c *httpConn) stalled(now uint32) bool {
	return now-c.lastTraffic.Load() >= c.b.s.ticks.stall && (c.writing.Load() || !c.handling.Load())
}

// Close closes the connection and frees its slots.
func (c *httpConn) Close() error {
	if c.leave() {
		c.b.s.open.Add(-1)
	}
	return c.Conn.Close()
}

// abort closes the connection at once. Close would have TLS wait until the client takes its
// close_notify.
func (c *httpConn) abort() {
	if c.leave() {
		c.b.s.open.Add(-1)
	}
	c.raw.Close()
}

// leave ends the time of the connection with net/http, once, and reports whether this call did. The
// caller then owns the connection's count in Server.open.
func (c *httpConn) leave() bool {
	s := c.b.s
	if !s.httpConns.remove(c) {
		return false
	}
	s.giveHTTPSlotBack(c.ip)
	s.addrs.Remove(c.ip, false)
	return true
}

// takeHTTPSlot takes one of the MaxHTTP slots, if one is free and the address has not used up its
// share. Otherwise a connection that waits for its client is ended: one of the same address if the
// share is used up.
func (s *Server) takeHTTPSlot(r *record) bool {
	if s.tryTakeHTTPSlot(r) {
		return true
	}
	share := !s.addrs.HasSlot(r.ip, addrs.SlotHTTP, s.cfg.MaxHTTP)
	c := s.httpConns.longestWaiting(func(c *httpConn) bool { return !share || s.addrs.SameClient(c.ip, r.ip) })
	if c == nil {
		return false
	}
	c.abort()
	return s.tryTakeHTTPSlot(r)
}

func (s *Server) tryTakeHTTPSlot(r *record) bool {
	if s.httpConns.n.Add(1) <= int64(s.cfg.MaxHTTP) && s.addrs.TakeSlot(r.ip, addrs.SlotHTTP, s.cfg.MaxHTTP) {
		return true
	}
	s.httpConns.n.Add(-1)
	return false
}

func (s *Server) giveHTTPSlotBack(ip uint32) {
	s.httpConns.n.Add(-1)
	s.addrs.GiveSlotBack(ip, addrs.SlotHTTP)
}

// httpConns are the connections that net/http has, or that a handler has hijacked from it.
type httpConns struct {
	n        atomic.Int64 // of conns, and of those that are on their way there
	mu       sync.Mutex
	conns    map[*httpConn]struct{}
	idleList list.List // of *httpConn that are idle, the one that has been idle longest first
	closed   bool
}

// idle notes whether a connection is idle.
func (l *httpConns) idle(c *httpConn, is bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.idleEntry != nil {
		l.idleList.Remove(c.idleEntry)
		c.idleEntry = nil
	}
	if _, there := l.conns[c]; is && there {
		c.idleEntry = l.idleList.PushBack(c)
	}
}

// longestWaiting returns the matching connection that has been idle longest between two requests.
// If none is idle, it returns one that is stalled, and nil if there is none either. The connection
// is no longer in the list of idle ones.
func (l *httpConns) longestWaiting(match func(*httpConn) bool) *httpConn {
	l.mu.Lock()
	defer l.mu.Unlock()
	for e := l.idleList.Front(); e != nil; e = e.Next() {
		if c := e.Value.(*httpConn); match(c) {
			l.idleList.Remove(e)
			c.idleEntry = nil
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

// add notes a connection. Once the server has ended, add closes it.
func (l *httpConns) add(c *httpConn) {
	c.noteTraffic()
	l.mu.Lock()
	l.conns[c] = struct{}{}
	closed := l.closed
	l.mu.Unlock()
	if closed {
		c.abort()
	}
}

// remove reports whether the connection was noted.
func (l *httpConns) remove(c *httpConn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, ok := l.conns[c]
	delete(l.conns, c)
	if c.idleEntry != nil {
		l.idleList.Remove(c.idleEntry)
		c.idleEntry = nil
	}
	return ok
}

// abortAll closes all connections, now and in the future.
func (l *httpConns) abortAll() {
	l.mu.Lock()
	l.closed = true
	all := slices.Collect(maps.Keys(l.conns))
	l.mu.Unlock()
	for _, c := range all {
		c.abort()
	}
}
