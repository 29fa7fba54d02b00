package httpbridge

import (
	"container/list"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync/atomic"

	"webim/netpoll/internal/socket"
	"webim/netpoll/internal/tlsmem"

	"golang.org/x/sys/unix"
)

// Conn is a connection while net/http has it. Its Read first returns the bytes that were read before.
type Conn struct {
	net.Conn  // through TLS, if there is one
	raw       net.Conn
	b         *Bridge
	tls       *tlsmem.Conn // nil: plain
	ip        uint32       // the entry of the address
	addr      netip.AddrPort
	head      []byte
	idleEntry *list.Element // its element in the list of idle ones, under Conns.mu; nil: it is not idle

	arriving    atomic.Bool   // it counts in Bridge.arriving: no request of it has come to Bridge.serve
	handling    atomic.Bool   // a handler is running
	writing     atomic.Bool   // a write waits for the client, or is about to return
	lastTraffic atomic.Uint32 // tick of the last byte read or written
}

// Adopt makes a connection of a descriptor, which it closes, and its TLS, nil if there is none. The
// connection has a slot, under the entry ip, and head was read of it. If Adopt fails, the slot and the TLS
// are gone.
func (b *Bridge) Adopt(fd int, tls *tlsmem.Conn, ip uint32, addr netip.AddrPort, head []byte) (*Conn, error) {
	f := os.NewFile(uintptr(fd), "")
	raw, err := net.FileConn(f) // a dup; Go's own poller watches it
	f.Close()
	if err != nil {
		if tls != nil {
			tls.End()
		}
		b.Conns.GiveSlotBack(ip)
		return nil, err
	}
	c := &Conn{Conn: raw, raw: raw, b: b, tls: tls, ip: ip, addr: addr, head: head}
	if tls != nil {
		c.Conn = tls.TLS
	}
	return c, nil
}

// RemoteAddr returns the client's address: behind the PROXY protocol that which its header names.
func (c *Conn) RemoteAddr() net.Addr {
	if c.b.ProxyProtocol && c.addr.IsValid() {
		return net.TCPAddrFromAddrPort(c.addr)
	}
	return c.raw.RemoteAddr()
}

// Serve gives the connection to net/http. It does not wait: net/http accepts the connection at a time of
// its own, and output of TLS that still waits leaves when the client takes it.
func (c *Conn) Serve() {
	if c.tls == nil { // over TLS, this may wait for the client
		c.arriving.Store(true)
		c.b.arriving.Add(1)
	}
	c.b.Conns.add(c)
	c.b.Running.Add(1)
	go func() {
		defer c.b.Running.Done()
		if c.tls != nil && c.tls.GoDirect(c.raw, c.b.Timeout) != nil {
			c.Close()
			return
		}
		select {
		case c.b.conns <- c:
		case <-c.b.done:
			c.Close()
		}
	}()
}

// arrived notes that the first request has come to serve, or that the connection has ended.
func (c *Conn) arrived() {
	if c.arriving.Swap(false) {
		c.b.arriving.Add(-1)
	}
}

// giveBack gives a connection that net/http has given up back to the loop. head is the request, with the
// bytes behind it. Somebody counts the connection at every moment: it has its slot until the loop has it.
func (c *Conn) giveBack(head []byte) {
	l := c.b.Conns
	fd, err := socket.Dup(c.raw)
	if c.tls != nil {
		c.tls.EndDirect()
	}
	c.raw.Close()
	mine := l.remove(c)
	if mine {
		l.Addrs.Remove(c.ip, false)
	}
	switch left := func() { l.GiveSlotBack(c.ip) }; {
	case mine && err == nil:
		c.b.Back(fd, c.addr, head, c.tls, left)
		return
	case mine:
		left()
		l.Left()
		c.b.Logger.Error("netpoll: taking a connection back from net/http", "err", err)
	case err == nil: // the shutdown has closed it first
		unix.Close(fd)
	}
	if c.tls != nil {
		c.tls.End()
	}
}

// Read reads, and counts the waste of TLS.
func (c *Conn) Read(p []byte) (int, error) {
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

func (c *Conn) Write(p []byte) (int, error) {
	c.writing.Store(true)
	defer c.writing.Store(false)
	defer c.noteTraffic()
	return c.Conn.Write(p)
}

// ReadFrom lets net/http use sendfile for files.
func (c *Conn) ReadFrom(r io.Reader) (int64, error) {
	c.writing.Store(true)
	defer c.writing.Store(false)
	defer c.noteTraffic()
	return io.Copy(c.Conn, r)
}

func (c *Conn) noteTraffic() { c.lastTraffic.Store(c.b.Conns.Now()) }

// stalled reports whether the server has waited for the client for the time Conns.Stall: for the rest of
// a request, or for the client to take the answer.
func (c *Conn) stalled(now uint32) bool {
	return now-c.lastTraffic.Load() >= c.b.Conns.Stall && (c.writing.Load() || !c.handling.Load())
}

// Close closes the connection and frees its slots.
func (c *Conn) Close() error {
	if c.leave() {
		c.b.Conns.Left()
	}
	return c.Conn.Close()
}

// abort closes the connection at once. Close would have TLS wait until the client takes its
// close_notify.
func (c *Conn) abort() {
	if c.leave() {
		c.b.Conns.Left()
	}
	c.raw.Close()
}

// leave ends the time of the connection with net/http, once, and reports whether this call did. The
// caller then owns the connection's count among those of the server.
func (c *Conn) leave() bool {
	l := c.b.Conns
	c.arrived()
	if !l.remove(c) {
		return false
	}
	l.GiveSlotBack(c.ip)
	l.Addrs.Remove(c.ip, false)
	return true
}

// Dup returns a descriptor of the socket, which is closed on exec and which Go's poller does not know. ok is false for a
// connection over TLS: a descriptor does not have its keys.
func (c *Conn) Dup() (fd int, ok bool) {
	if c.tls != nil {
		return -1, false
	}
	fd, err := socket.Dup(c.raw)
	return fd, err == nil
}
