package netpoll

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"webim/netpoll/internal/addrs"
	"webim/netpoll/internal/head"

	"golang.org/x/sys/unix"
)

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
		MaxHeaderBytes:    s.cfg.MaxHead,
		ConnState:         b.state,
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

// state notes which connections are idle between two requests.
func (b *httpBridge) state(conn net.Conn, state http.ConnState) {
	if c, ok := conn.(*lentConn); ok {
		b.s.lent.idle(c, state == http.StateIdle)
	}
}

type lentKey struct{}

// serve answers a request, unless it is an upgrade on a connection that was
// kept alive, as proxies do: that comes back to the loop.
func (b *httpBridge) serve(w http.ResponseWriter, r *http.Request) {
	c, _ := r.Context().Value(lentKey{}).(*lentConn)
	if c != nil && c.tls != nil {
		state := c.tls.conn.ConnectionState()
		r.TLS = &state
	}
	if c == nil || !slices.ContainsFunc(r.Header["Upgrade"], func(v string) bool { return head.ListHas([]byte(v), "websocket") }) {
		b.answer(w, r, c)
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
	head.Write(c.head) // what net/http has not come to yet
	c.comeBack(conn, head.Bytes())
}

// answer has the listener's handler answer a request. Of the requests that come through
// a listed proxy, a client may have the same share under way as one that comes directly.
func (b *httpBridge) answer(w http.ResponseWriter, r *http.Request, c *lentConn) {
	if len(r.TransferEncoding) > 0 || !r.ProtoAtLeast(1, 1) {
		// Content-Length may have stood beside Transfer-Encoding, and HTTP/1.0 has no
		// Transfer-Encoding; net/http tells neither (RFC 9112, section 6.1: then the
		// connection is not to be trusted).
		w.Header().Set("Connection", "close")
	}
	if c != nil {
		c.handling.Store(true)
		defer c.handling.Store(false)
		if client, ok := b.s.addrs.Client(c.addr.Addr(), r.Header.Values("X-Forwarded-For")); ok {
			ip, ok := b.s.addrs.TakeSlotOf(client, addrs.SlotHTTP, b.s.cfg.MaxHTTP)
			if !ok {
				b.s.stats.refused(refuseHTTPFull)
				b.s.logRefusal(refuseHTTPFull, netip.AddrPortFrom(client, 0), "")
				w.Header().Set("Retry-After", "5")
				http.Error(w, refusalError(refuseHTTPFull).Text, http.StatusServiceUnavailable)
				return
			}
			defer b.s.addrs.GiveSlotBack(ip, addrs.SlotHTTP)
		}
	}
	b.ln.HTTP.ServeHTTP(w, r)
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

// handOver takes a connection off epoll and gives it, with what was read of
// it, to net/http. The record is free afterwards.
func (s *Server) handOver(r *record, head []byte) {
	if !s.lendPlace(r) {
		s.refuse(r, refusalError(refuseHTTPFull))
		return
	}
	ln := s.listeners()[r.listener]
	fd := int(r.fd)
	r.mu.Lock()
	if r.w&wClosing != 0 { // the server is shutting down
		r.mu.Unlock()
		s.lendPlaceBack(r.ip)
		return
	}
	r.w |= wClosing | wDead
	x := s.extras.At(r.extra)
	r.mu.Unlock()
	s.loops[r.loop].unpark(fd)
	s.loops[r.loop].wheel.Remove(r.index)
	f := os.NewFile(uintptr(fd), "")
	raw, err := net.FileConn(f) // a dup, which Go's own poller watches
	f.Close()
	s.addrs.Opened(r.ip)
	c := &lentConn{Conn: raw, raw: raw, b: ln.http, ip: r.ip, addr: s.addrs.AddrPort(r.ip, r.port), head: head}
	if x != nil && x.tls != nil {
		c.tls = x.tls
		c.Conn = x.tls.conn
	}
	s.stats.closed[HandedToHTTP].Add(1)
	s.forget(r)
	if err != nil {
		s.cfg.Logger.Error("netpoll: handing a connection to net/http", "err", err)
		if c.tls != nil {
			c.tls.end()
		}
		s.lendPlaceBack(c.ip)
		s.addrs.Remove(c.ip, false)
		s.open.Add(-1)
		return
	}
	s.lent.add(c)
	// Not on this worker: net/http accepts when it gets round to it, and
	// ciphertext that still waits goes out when the client takes it.
	s.running.Add(1)
	go func() {
		defer s.running.Done()
		if c.tls != nil && c.tls.lend(raw, s.cfg.HandshakeTimeout) != nil {
			c.Close()
			return
		}
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
	switch mine := c.leave(); {
	case mine && err == nil:
		s.admit(c.b.ln, fd, c.addr.Addr(), c.addr.Port(), &comeback{head: head, tls: c.tls})
		return
	case mine:
		s.open.Add(-1)
		s.cfg.Logger.Error("netpoll: taking a connection back from net/http", "err", err)
	case err == nil: // the server's end was quicker
		unix.Close(fd)
	}
	if c.tls != nil {
		c.tls.end()
	}
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
