package bench

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// tlsFleet is clients over TLS: a goroutine and a tls.Conn each, some 30 KB, because crypto/tls cannot be parked. Good for
// being there, not for floods.
type tlsFleet struct {
	cfg    Config
	target target
	shake  *handshake
	dialer net.Dialer
	config *tls.Config
	first  int // number of the first loopback address

	open, lost, pinged atomic.Int64
	mu                 sync.Mutex // guards the rest
	conns              map[net.Conn]bool
	failures           map[string]int
	closing            bool
	readers            sync.WaitGroup
}

func newTLSFleet(cfg Config, t target, n int) *tlsFleet {
	return &tlsFleet{cfg: cfg, target: t, shake: newHandshake(t.url.Host, cfg),
		// The server's certificate is usually one of its own making, and nothing secret is said.
		config: &tls.Config{InsecureSkipVerify: true, ServerName: t.url.Hostname()},
		conns:  make(map[net.Conn]bool, n), failures: map[string]int{}}
}

// Dial opens the clients [from, to), at most 64 at a time: a handshake is CPU on both sides, more at once would only wait longer.
func (f *tlsFleet) Dial(ctx context.Context, from, to int) (int, error) {
	var all sync.WaitGroup
	var failed, done atomic.Int64
	slots := make(chan struct{}, min(64, f.cfg.inFlight()))
	shown := time.Now()
	for i := from; i < to && ctx.Err() == nil; i++ {
		slots <- struct{}{}
		if time.Since(shown) > 100*time.Millisecond {
			shown = time.Now()
			f.cfg.progress("connecting", int(done.Load()), to-from)
		}
		all.Go(func() {
			defer func() { <-slots; done.Add(1) }()
			if err := f.connect(ctx, i); err != nil {
				failed.Add(1)
				f.mu.Lock()
				f.failures[err.Error()]++
				f.mu.Unlock()
			}
		})
	}
	all.Wait()
	return int(failed.Load()), ctx.Err()
}

func (f *tlsFleet) connect(ctx context.Context, i int) error {
	ctx, cancel := context.WithTimeout(ctx, f.cfg.timeout())
	defer cancel()
	d := f.dialer
	if src, ok := f.target.source(f.first, i, f.cfg.sources()); ok {
		d.LocalAddr = &net.TCPAddr{IP: src[:]}
	}
	raw, err := d.DialContext(ctx, "tcp", f.target.addr.String())
	if err != nil {
		return cause(err)
	}
	conn := tls.Client(raw, f.config)
	_ = conn.SetDeadline(time.Now().Add(f.cfg.timeout()))
	rest, err := f.handshake(ctx, conn)
	if err != nil {
		raw.Close()
		return cause(err)
	}
	_ = conn.SetDeadline(time.Time{})
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closing {
		raw.Close()
		return net.ErrClosed
	}
	f.conns[conn] = true
	f.open.Add(1)
	f.readers.Go(func() { f.read(conn, rest) })
	return nil
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

// handshake does TLS and the upgrade; rest is what followed the answer.
func (f *tlsFleet) handshake(ctx context.Context, conn *tls.Conn) (rest []byte, err error) {
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	if _, err := conn.Write(f.shake.request(f.target.path())); err != nil {
		return nil, err
	}
	buf, c := make([]byte, 1024), &client{}
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return nil, err
		}
		if rest, done, err := c.upgrade(f.shake, buf[:n]); done || err != nil {
			return rest, err
		}
	}
}

// read answers pings until the connection ends.
func (f *tlsFleet) read(conn *tls.Conn, b []byte) {
	var d Decoder
	buf, mask := make([]byte, 1024), [4]byte{1, 2, 3, 4}
	for {
		for len(b) > 0 {
			ev, n, ok, err := d.Next(b)
			b = b[n:]
			if err != nil || ok && ev.Op == opClose {
				f.end(conn)
				return
			}
			if ok && ev.Op == opPing {
				f.pinged.Add(1)
				_, _ = conn.Write(appendFrame(nil, opPong, ev.Payload, &mask)) // a failure shows at the next read
			}
		}
		n, err := conn.Read(buf)
		if err != nil {
			f.end(conn)
			return
		}
		b = buf[:n]
	}
}

func (f *tlsFleet) end(conn *tls.Conn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.conns, conn)
	f.open.Add(-1)
	if !f.closing {
		f.lost.Add(1)
	}
	conn.NetConn().Close()
}

// Close cuts all clients and waits for their goroutines.
func (f *tlsFleet) Close() {
	f.mu.Lock()
	f.closing = true
	for c := range f.conns {
		raw := c.(*tls.Conn).NetConn()
		_ = raw.(*net.TCPConn).SetLinger(0)
		raw.Close()
	}
	f.mu.Unlock()
	f.readers.Wait()
}

func (f *tlsFleet) Open() int { return int(f.open.Load()) }
func (f *tlsFleet) Gone() int { return int(f.lost.Load()) }

func (f *tlsFleet) pings() int64    { return f.pinged.Load() }
func (f *tlsFleet) cpu() int64      { return ownCPU() }
func (f *tlsFleet) sample(*sampler) {} // there are no floods over TLS

func (f *tlsFleet) Failures() map[string]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	m := map[string]int{}
	for k, v := range f.failures {
		m[k] = v
	}
	return m
}
