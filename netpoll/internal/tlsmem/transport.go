package tlsmem

import (
	"errors"
	"io"
	"net"
	"time"
)

// transport is the net.Conn below crypto/tls: it reads and writes ciphertext.
type transport Conn

// noInput is a temporary net.Error, which crypto/tls forgets.
type noInput struct{}

func (noInput) Error() string   { return "no ciphertext yet" }
func (noInput) Timeout() bool   { return true }
func (noInput) Temporary() bool { return true }

// Read gives crypto/tls the ciphertext that has arrived, one whole record at a time. Unfinished
// records stay here, where they are counted, and do not get into its buffers.
func (t *transport) Read(p []byte) (int, error) {
	c := (*Conn)(t)
	c.mu.Lock()
	for {
		switch n := c.readableLocked(); {
		case n > 0:
			n = c.readLocked(p, n)
			c.mu.Unlock()
			return n, nil
		case c.direct != nil:
			direct := c.direct
			c.mu.Unlock()
			n, err := direct.Read(p)
			c.mu.Lock()
			c.silent += n
			c.mu.Unlock()
			return n, err
		case c.ended:
			c.mu.Unlock()
			return 0, io.EOF
		case !c.handshaking:
			c.mu.Unlock()
			return 0, noInput{}
		}
		if c.full {
			c.full = false
			c.owner.Wake()
		}
		c.waits = true
		c.more.Wait()
		c.waits = false
	}
}

// readLocked takes at most n bytes of the input.
func (c *Conn) readLocked(p []byte, n int) int {
	n = copy(p, c.in[:n])
	c.record = max(0, c.record-n)
	c.silent += n
	c.in, c.sliced = c.in[n:], true
	if len(c.in) == 0 {
		c.in, c.sliced = nil, false
	}
	return n
}

// maxRecord is the payload of the largest record that TLS allows (RFC 5246, section 6.2.3).
// crypto/tls refuses records that claim to be larger.
const maxRecord = 16<<10 + 2048

// readableLocked returns the number of bytes of the input that crypto/tls may read: those of one
// record that has arrived completely.
func (c *Conn) readableLocked() int {
	if c.direct != nil || c.unaligned {
		return len(c.in)
	}
	if c.record == 0 {
		if len(c.in) < 5 {
			return 0
		}
		size := int(c.in[3])<<8 | int(c.in[4])
		if size > maxRecord {
			return len(c.in)
		}
		if len(c.in) < 5+size {
			return 0
		}
		c.record = 5 + size
	}
	return c.record
}

// Write queues the ciphertext that crypto/tls sends. It never waits.
func (t *transport) Write(p []byte) (int, error) {
	c := (*Conn)(t)
	c.mu.Lock()
	if direct := c.direct; direct != nil {
		c.mu.Unlock()
		return direct.Write(p)
	}
	if c.over {
		c.mu.Unlock()
		return 0, net.ErrClosed
	}
	c.out = append(c.out, p...)
	owner, handshaking := c.owner, c.handshaking
	c.countOutputLocked()
	c.mu.Unlock()
	if handshaking {
		owner.Flush()
	}
	return len(p), nil
}

// The rest of net.Conn, for crypto/tls and, while it has the connection, for net/http.

func (t *transport) Close() error {
	if s := t.socket(); s != nil {
		return s.Close()
	}
	return nil
}
func (t *transport) LocalAddr() net.Addr  { return addrOf(t.socket(), net.Conn.LocalAddr) }
func (t *transport) RemoteAddr() net.Addr { return addrOf(t.socket(), net.Conn.RemoteAddr) }
func (t *transport) SetDeadline(d time.Time) error {
	return errors.Join(t.SetReadDeadline(d), t.SetWriteDeadline(d))
}
func (t *transport) SetReadDeadline(d time.Time) error {
	if s := t.socket(); s != nil {
		return s.SetReadDeadline(d)
	}
	return nil
}
func (t *transport) SetWriteDeadline(d time.Time) error {
	if s := t.socket(); s != nil {
		return s.SetWriteDeadline(d)
	}
	return nil
}

func (t *transport) socket() net.Conn {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.direct
}

func addrOf(c net.Conn, f func(net.Conn) net.Addr) net.Addr {
	if c != nil {
		return f(c)
	}
	return &net.TCPAddr{}
}
