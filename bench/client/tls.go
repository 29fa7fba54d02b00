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

// Over TLS a client has a goroutine while it shakes hands, because crypto/tls cannot be parked then; after that it is parked like others. Its tls.Conn
// reads what the worker has read and writes into memory: a record is opened on the worker, and sealed by whoever sends. That takes some 10 KB a client and
// a microsecond a record, so the client is sooner the limit than without.

// tlsSession is a client's TLS.
type tlsSession struct {
	conn      *tls.Conn
	transport *transport
}

// transport is what a tls.Conn takes for its connection: a real one during the handshake, then memory.
type transport struct {
	net.Conn // nil after the handshake

	in []byte // the worker's: what was read and not yet opened

	mu  sync.Mutex // guards out: a KeyUpdate is answered while others send
	out []byte     // sealed, to be written
}

// errNeedMore is not an error for crypto/tls, which goes on at the next Read.
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

// take returns what is to be written.
func (w *transport) take() []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := w.out
	w.out = nil
	return out
}

// encrypt returns the records to be written for a frame, and what crypto/tls has to say besides.
func (s *tlsSession) encrypt(frame []byte) []byte {
	_, _ = s.conn.Write(frame) // memory takes everything; a connection that is broken shows at the next Read
	return s.transport.take()
}

// decrypt opens what was read and gives it to do, in pieces of the size of room; it keeps a record that is not complete.
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

// cause returns what an error began with, without addresses: so equal failures are counted together.
func cause(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}

// tlsResult is how a client's handshakes ended, TLS and upgrade.
type tlsResult struct {
	fd    int
	tls   *tlsSession
	terms Terms
	rest  []byte // what followed the answer
}

// startTLS begins a client's life over TLS: the worker hears of its end.
func (w *Receiver) startTLS(c *Client) {
	f, gen := w.fleet, c.gen
	path := c.Room
	c.fd = -1
	f.handshakes.Go(func() {
		g, err := f.dialTLS(c.Index, path)
		w.post(func() { w.tlsDialed(c, gen, g, err) })
	})
}

// dialTLS connects, shakes hands and upgrades, on a goroutine of its own.
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
	defer raw.Close() // by then the socket has another number
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

// handshake does both handshakes.
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

// duplicate gives a socket a number that Go's poller knows nothing of.
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

// tlsDialed parks a client whose handshakes are done; or else it was given up meanwhile, or they failed.
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
		err = w.dispatchOpen(c, nil) // what crypto/tls holds that came with the answer; for what the socket holds epoll has an event
	}
	if err != nil {
		w.drop(c, err)
	}
}
