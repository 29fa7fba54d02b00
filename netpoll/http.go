package netpoll

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	maxHead      = 8 << 10 // bytes of a request's head
	maxHeadLines = 64      // of it, header fields
)

// readHead collects the head of a request and answers it: an upgrade here,
// anything else by net/http. What is behind the head is kept for what follows.
func (s *Server) readHead(w *worker, r *record) (more bool) {
	in := s.inputs.at(r.input)
	for {
		var b []byte
		if in != nil {
			b = w.buf[:copy(w.buf, in.rest)]
		}
		if in == nil || !in.ready {
			n, end := s.fill(w, r, len(b))
			if n == 0 {
				if end {
					s.beginClose(r, r.gen.Load(), closing{cause: HandshakeFailed})
				}
				return false
			}
			b = w.buf[:len(b)+n]
		}
		scanned, lines := 0, 0
		if in != nil {
			scanned, lines = in.scanned, in.lines
		}
		end, scanned, lines, bad := scanHead(b, scanned, lines)
		switch {
		case bad != nil:
			s.refuse(r, bad)
			return false
		case end > 0:
			s.freeInput(r)
			return s.answerHead(w, r, b, end)
		}
		in = s.keepHead(r, b, scanned, lines)
	}
}

// keepHead stores an unfinished head; it is bounded by maxHead, and counted.
func (s *Server) keepHead(r *record, b []byte, scanned, lines int) *input {
	in := s.inputs.at(r.input)
	if in == nil {
		in = new(input)
		r.input = s.inputs.put(in)
	}
	in.rest = append(in.rest[:0], b...)
	in.ready, in.scanned, in.lines = false, scanned, lines
	s.unfinished.Add(int64(cap(in.rest) - in.held))
	in.held = cap(in.rest)
	return in
}

// scanHead looks for the empty line that ends a head, from where it left off:
// the work is linear however the bytes arrive. end is the head's length, 0
// while it is unfinished. Bare LF and control characters are refused: another
// server on the way might read the lines differently.
func scanHead(b []byte, scanned, lines int) (end, pos, nlines int, bad *refusedError) {
	if len(b) > 0 && (b[0] < 'A' || b[0] > 'Z') {
		return 0, 0, 0, errNotHTTP
	}
	for i := scanned; i < len(b); i++ {
		if i >= maxHead {
			return 0, 0, 0, errHeadTooLarge
		}
		switch c := b[i]; {
		case c == '\n':
			if i == 0 || b[i-1] != '\r' {
				return 0, 0, 0, errBareLF
			}
			if i >= 3 && b[i-2] == '\n' {
				return i + 1, i + 1, lines, nil
			}
			if lines++; lines > maxHeadLines+1 {
				return 0, 0, 0, errHeadTooLarge
			}
		case c < ' ' && c != '\r' && c != '\t', c == 0x7f, i > 0 && b[i-1] == '\r':
			return 0, 0, 0, errBadByte
		}
	}
	return 0, len(b), lines, nil
}

// answerHead decides who answers a whole head: b[:end]. b[end:] came behind it.
func (s *Server) answerHead(w *worker, r *record, b []byte, end int) (more bool) {
	if x := s.extras.at(r.extra); x != nil && x.refuse != "" {
		s.refuse(r, x.refuse.err())
		return false
	}
	req := &w.request
	req.reset(s, r)
	if bad := req.parse(b[:end]); bad != nil {
		s.refuse(r, bad)
		return false
	}
	if req.isUpgrade() {
		return s.upgrade(w, r, req, b[end:])
	}
	s.handOver(r, bytes.Clone(b))
	return false
}

// httpBridge lends connections to net/http and takes them back. One serves a
// listener.
type httpBridge struct {
	s     *Server
	ln    *listener
	srv   *http.Server
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newHTTPBridge(s *Server, ln *listener) *httpBridge {
	b := &httpBridge{s: s, ln: ln, conns: make(chan net.Conn), done: make(chan struct{})}
	b.srv = &http.Server{
		Handler:           http.HandlerFunc(b.serve),
		ReadHeaderTimeout: s.cfg.HandshakeTimeout,
		ReadTimeout:       time.Minute,
		WriteTimeout:      2 * time.Minute,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    maxHead,
		ErrorLog:          slog.NewLogLogger(s.cfg.Logger.Handler(), slog.LevelDebug),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, lentKey{}, c)
		},
	}
	s.running.Add(1)
	go func() {
		defer s.running.Done()
		b.srv.Serve(b)
	}()
	return b
}

// Accept, Close and Addr make the bridge a net.Listener for http.Server.
func (b *httpBridge) Accept() (net.Conn, error) {
	select {
	case c := <-b.conns:
		return c, nil
	case <-b.done:
		return nil, net.ErrClosed
	}
}

func (b *httpBridge) Close() error {
	b.once.Do(func() { close(b.done) })
	return nil
}

func (b *httpBridge) Addr() net.Addr { return b.ln.addr }

func (b *httpBridge) close() { b.srv.Close() }

type lentKey struct{}

// serve answers a request, unless it is an upgrade on a connection that was
// kept alive, as proxies do: that comes back to the loop.
func (b *httpBridge) serve(w http.ResponseWriter, r *http.Request) {
	c, _ := r.Context().Value(lentKey{}).(*lentConn)
	if c != nil && c.tls != nil {
		state := c.tls.conn.ConnectionState()
		r.TLS = &state
	}
	if c == nil || !headerHasToken(r.Header["Upgrade"], "websocket") {
		b.ln.HTTP.ServeHTTP(w, r)
		return
	}
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, "upgrade is not possible on this connection", http.StatusInternalServerError)
		return
	}
	var head bytes.Buffer
	writeHead(&head, r)
	behind, _ := rw.Reader.Peek(rw.Reader.Buffered())
	head.Write(behind)
	c.comeBack(conn, head.Bytes())
}

// writeHead writes a request's head as it may have come.
func writeHead(head *bytes.Buffer, r *http.Request) {
	head.WriteString(r.Method + " " + r.RequestURI + " " + r.Proto + "\r\nHost: " + r.Host + "\r\n")
	r.Header.Write(head)
	if len(r.TransferEncoding) > 0 {
		head.WriteString("Transfer-Encoding: chunked\r\n") // net/http has taken it out
	}
	head.WriteString("\r\n")
}

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
	ended    atomic.Bool
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
	c.leave()
	return c.Conn.Close()
}

func (c *lentConn) leave() {
	if c.ended.Swap(true) {
		return
	}
	s := c.b.s
	s.lent.Add(-1)
	s.addrs.leave(c.ip, false)
	s.open.Add(-1)
}

// handOver takes a connection off epoll and gives it, with what was read of
// it, to net/http. The record is free afterwards.
func (s *Server) handOver(r *record, head []byte) {
	if s.lent.Add(1) > int64(s.cfg.MaxHTTP) {
		s.lent.Add(-1)
		s.refuse(r, refuseHTTPFull.err())
		return
	}
	ln := s.listeners()[r.listener]
	fd := int(r.fd)
	r.mu.Lock()
	if r.w&wClosing != 0 { // the server is shutting down
		r.mu.Unlock()
		s.lent.Add(-1)
		return
	}
	r.w |= wClosing | wDead
	x := s.extras.at(r.extra)
	r.mu.Unlock()
	s.loops[r.loop].unpark(fd)
	s.wheelOf(r).remove(r)
	f := os.NewFile(uintptr(fd), "")
	raw, err := net.FileConn(f) // a dup, which Go's own poller watches
	f.Close()
	s.addrs.opened(r.ip)
	c := &lentConn{Conn: raw, raw: raw, b: ln.http, ip: r.ip, addr: s.addrs.addrPort(r.ip, r.port), head: head}
	if x != nil && x.tls != nil {
		c.tls = x.tls
		c.Conn = x.tls.conn
	}
	s.stats.closed[HandedToHTTP].Add(1)
	s.forget(r)
	if err != nil {
		s.cfg.Logger.Error("netpoll: handing a connection to net/http", "err", err)
		c.leave()
		return
	}
	if c.tls != nil {
		c.tls.lend(raw)
	}
	// Not on this worker: net/http accepts when it gets round to it.
	s.running.Add(1)
	go func() {
		defer s.running.Done()
		select {
		case ln.http.conns <- c:
		case <-ln.http.done:
			c.Close()
		}
	}()
}

// comeBack parks a connection that net/http has given up for an upgrade. head
// is the request, and what came behind it.
func (c *lentConn) comeBack(conn net.Conn, head []byte) {
	s := c.b.s
	conn.SetDeadline(time.Time{})
	fd, err := dupFD(c.raw)
	if c.tls != nil {
		c.tls.takeBack()
	}
	c.raw.Close()
	c.leave()
	if err != nil {
		s.cfg.Logger.Error("netpoll: taking a connection back from net/http", "err", err)
		return
	}
	s.admit(c.b.ln, fd, c.addr.Addr(), c.addr.Port(), &comeback{head: head, tls: c.tls})
}

// comeback is what a connection brings from net/http.
type comeback struct {
	head []byte
	tls  *tlsState
}

// dupFD makes a descriptor that Go's poller does not know; the socket is
// non-blocking already.
func dupFD(c net.Conn) (fd int, err error) {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return -1, errors.New("not a socket")
	}
	rc, err := sc.SyscallConn()
	if err != nil {
		return -1, err
	}
	cerr := rc.Control(func(f uintptr) { fd, err = unix.FcntlInt(f, unix.F_DUPFD_CLOEXEC, 0) })
	return fd, errors.Join(cerr, err)
}
