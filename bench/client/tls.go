package client

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"webim/bench/sock"
)

// During a TLS handshake a client has a goroutine, because crypto/tls cannot continue a handshake from events. Afterwards
// it has none: its tls.Conn reads the bytes that the receiver has read, and writes to memory. The receiver decrypts
// records, and the goroutine that sends encrypts them. TLS takes some 10 KB per client and a microsecond per record, so
// the client is the bottleneck sooner than without TLS.

// tlsSession is the TLS state of a client.
type tlsSession struct {
	conn      *tls.Conn
	transport *transport
}

// transport is the net.Conn below a tls.Conn: a real connection during the handshake, then memory.
type transport struct {
	net.Conn // nil after the handshake

	in []byte // received and not yet decrypted; the receiver owns it

	mu  sync.Mutex // guards out, because an answer to a KeyUpdate may be written while others send
	out []byte     // encrypted bytes to be sent
}

// errNeedMore means that all bytes are read. It is temporary, so crypto/tls continues at the next Read.
var errNeedMore net.Error = needMore{}

type needMore struct{}

func (needMore) Error() string { return "nothing more has come" }

func (needMore) Timeout() bool { return true }

func (needMore) Temporary() bool { return true }

func (w *transport) Read(b []byte) (int, error) {
	if w.Conn != nil {
		return w.Conn.Read(b)
	}
	if len(w.in) == 0 {
		return 0, errNeedMore
	}
	n := copy(b, w.in)
	w.in = w.in[n:]
	return n, nil
}

func (w *transport) Write(b []byte) (int, error) {
	if w.Conn != nil {
		return w.Conn.Write(b)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.out = append(w.out, b...)
	return len(b), nil
}

// take returns the bytes to be sent and removes them.
func (w *transport) take() []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := w.out
	w.out = nil
	return out
}

// encrypt returns the records for a frame, and any other output of crypto/tls.
func (s *tlsSession) encrypt(frame []byte) []byte {
	_, _ = s.conn.Write(frame) // memory accepts everything; the next Read returns the error of a broken connection
	return s.transport.take()
}

// decrypt decrypts received bytes and passes them to do, in pieces of at most len(room). It keeps an incomplete record.
func (s *tlsSession) decrypt(b, room []byte, do func(plain []byte) error) error {
	for s.transport.in = b; ; {
		n, err := s.conn.Read(room)
		if n > 0 {
			if err := do(room[:n]); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(err, errNeedMore):
			return nil
		case err == io.EOF:
			return ErrClosed
		case err != nil:
			return cause(err)
		}
	}
}

// cause returns the innermost error, without addresses, so that equal failures are counted together.
func cause(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}

// tlsResult is the result of a client's TLS handshake and upgrade.
type tlsResult struct {
	fd    int
	tls   *tlsSession
	terms Terms
	rest  []byte // bytes that followed the answer to the upgrade request
}

// startTLS starts a client's connection over TLS on a goroutine, which posts the result to the receiver.
func (w *Receiver) startTLS(c *Client) {
	f, gen := w.fleet, c.gen
	path := c.Room
	c.fd = -1
	f.handshakes.Go(func() {
		g, err := f.dialTLS(c.Index, path)
		w.post(func() { w.tlsDialed(c, gen, g, err) })
	})
}

// dialTLS connects, does both handshakes, and returns the result. It runs on its own goroutine.
func (f *Fleet) dialTLS(i int, path string) (g tlsResult, err error) {
	ctx, cancel := context.WithTimeout(f.handshaking, f.cfg.ReplyTimeout())
	defer cancel()
	d := net.Dialer{}
	if src, ok := f.target.source(f.FirstSource, i, f.cfg.SourceAddresses()); ok {
		d.LocalAddr = &net.TCPAddr{IP: src[:]}
	}
	raw, err := d.DialContext(ctx, "tcp", f.target.Addr.String())
	if err != nil {
		return g, cause(err)
	}
	defer raw.Close() // the duplicate stays open
	defer context.AfterFunc(ctx, func() { _ = raw.SetDeadline(time.Unix(1, 0)) })()
	wire := &transport{Conn: raw}
	g.tls = &tlsSession{tls.Client(wire, f.secure), wire}
	if err := g.handshake(ctx, f, path); err != nil {
		if ctx.Err() != nil {
			err = ErrTimeout
		}
		return g, cause(err)
	}
	wire.Conn = nil
	g.fd, err = duplicate(raw.(*net.TCPConn))
	return g, err
}

// handshake does the TLS handshake and the upgrade.
func (g *tlsResult) handshake(ctx context.Context, f *Fleet, path string) error {
	if err := g.tls.conn.HandshakeContext(ctx); err != nil {
		return err
	}
	if _, err := g.tls.conn.Write(f.request(path)); err != nil {
		return err
	}
	buf, c := make([]byte, 1024), &Client{}
	for {
		n, err := g.tls.conn.Read(buf)
		if err != nil {
			return err
		}
		rest, done, err := c.readUpgrade(f.handshake, buf[:n])
		if done || err != nil {
			g.rest, g.terms = rest, c.terms
			return err
		}
	}
}

// duplicate returns another descriptor of a socket, which Go's poller does not know.
func duplicate(conn *net.TCPConn) (fd int, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return -1, err
	}
	fd = -1
	if e := raw.Control(func(old uintptr) { fd, err = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0) }); e != nil {
		err = e
	}
	return fd, err
}

// tlsDialed takes the result of a TLS handshake. It drops the connection if the client was given up meanwhile.
func (w *Receiver) tlsDialed(c *Client, gen int32, g tlsResult, err error) {
	if c.gen != gen || c.state.Load() != dialing {
		if err == nil {
			sock.CloseReset(g.fd)
		}
		return
	}
	if err != nil {
		w.drop(c, err)
		return
	}
	c.fd, c.terms = g.fd, g.terms
	if err = w.park(c); err != nil {
		w.drop(c, err)
		return
	}
	c.mu.Lock()
	c.tls = g.tls
	c.mu.Unlock()
	c.state.Store(upgrading)
	err = w.upgraded(c, g.rest)
	if err == nil {
		err = w.dispatchOpen(c, nil) // bytes in crypto/tls that came with the answer; for bytes in the socket epoll has an event
	}
	if err != nil {
		w.drop(c, err)
	}
}
