package netpoll

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"

	"webim/netpoll/internal/addrs"
	"webim/netpoll/internal/head"
	"webim/netpoll/internal/socket"

	"golang.org/x/sys/unix"
)

// httpBridge gives connections to net/http and takes them back for upgrades. Each listener has one.
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
			return context.WithValue(ctx, httpConnKey{}, c)
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
	if c, ok := conn.(*httpConn); ok {
		b.s.httpConns.idle(c, state == http.StateIdle)
	}
}

type httpConnKey struct{}

// serve answers a request. An upgrade on a connection that was kept alive, as proxies do, goes back
// to the loop instead.
func (b *httpBridge) serve(w http.ResponseWriter, r *http.Request) {
	c, _ := r.Context().Value(httpConnKey{}).(*httpConn)
	if c != nil && c.tls != nil {
		state := c.tls.TLS.ConnectionState()
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
	head.Write(c.head) // bytes that net/http has not read yet
	c.reupgrade(conn, head.Bytes())
}

// answer calls the listener's handler for a request. Of the requests that come through a listed
// proxy, a client may have the same share under way as a client that comes directly.
func (b *httpBridge) answer(w http.ResponseWriter, r *http.Request, c *httpConn) {
	if len(r.TransferEncoding) > 0 || !r.ProtoAtLeast(1, 1) {
		// Content-Length may have stood beside Transfer-Encoding, and HTTP/1.0 has no
		// Transfer-Encoding. net/http reports neither. RFC 9112, section 6.1: such a connection is
		// not to be trusted with a second request.
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

// writeHead writes the head of a request as it may have arrived.
func writeHead(head *bytes.Buffer, r *http.Request) {
	head.WriteString(r.Method + " " + r.RequestURI + " " + r.Proto + "\r\nHost: " + r.Host + "\r\n")
	r.Header.Write(head)
	if len(r.TransferEncoding) > 0 {
		head.WriteString("Transfer-Encoding: chunked\r\n") // net/http has taken it out
	}
	head.WriteString("\r\n")
}

// handOver takes a connection off epoll and gives it to net/http, with the bytes that were read of
// it. The record is free afterwards.
func (s *Server) handOver(r *record, head []byte) {
	if !s.takeHTTPSlot(r) {
		s.refuse(r, refusalError(refuseHTTPFull))
		return
	}
	r.mu.Lock()
	if r.w&wClosing != 0 { // the server is shutting down
		r.mu.Unlock()
		s.giveHTTPSlotBack(r.ip)
		return
	}
	r.w |= wClosing | wDead
	x := s.extras.At(r.extra)
	r.mu.Unlock()
	s.loops[r.loop].unpark(int(r.fd))
	s.loops[r.loop].wheel.Remove(r.index)
	c := &httpConn{b: s.listeners()[r.listener].http, ip: r.ip, addr: s.addrs.AddrPort(r.ip, r.port), head: head}
	err := c.own(int(r.fd), x)
	s.addrs.Opened(r.ip)
	s.stats.closed[HandedToHTTP].Add(1)
	s.forget(r)
	if err != nil {
		s.cfg.Logger.Error("netpoll: handing a connection to net/http", "err", err)
		if c.tls != nil {
			c.tls.End()
		}
		s.giveHTTPSlotBack(c.ip)
		s.addrs.Remove(c.ip, false)
		s.open.Add(-1)
		return
	}
	s.httpConns.add(c)
	// Not on this worker, because net/http accepts the connection at a time of its own, and output
	// that still waits leaves when the client takes it.
	s.running.Add(1)
	go c.start()
}

// own makes the connection from the socket and the TLS of a record. Go's own poller watches the
// socket from here on.
func (c *httpConn) own(fd int, x *extra) (err error) {
	f := os.NewFile(uintptr(fd), "")
	c.raw, err = net.FileConn(f) // a dup
	f.Close()
	c.Conn = c.raw
	if x != nil && x.tls != nil {
		c.tls, c.Conn = x.tls, x.tls.TLS
	}
	return err
}

// start gives the connection to net/http.
func (c *httpConn) start() {
	defer c.b.s.running.Done()
	if c.tls != nil && c.tls.GoDirect(c.raw, c.b.s.cfg.HandshakeTimeout) != nil {
		c.Close()
		return
	}
	select {
	case c.b.conns <- c:
	case <-c.b.done:
		c.Close()
	}
}

// reupgrade parks a connection that net/http has given up for an upgrade. head is the request, with
// the bytes behind it.
func (c *httpConn) reupgrade(conn net.Conn, head []byte) {
	s := c.b.s
	conn.SetDeadline(time.Time{})
	fd, err := socket.Dup(c.raw)
	if c.tls != nil {
		c.tls.EndDirect()
	}
	c.raw.Close()
	switch mine := c.leave(); {
	case mine && err == nil:
		s.addConn(c.b.ln, fd, c.addr.Addr(), c.addr.Port(), &reupgrade{head: head, tls: c.tls})
		return
	case mine:
		s.open.Add(-1)
		s.cfg.Logger.Error("netpoll: taking a connection back from net/http", "err", err)
	case err == nil: // the shutdown has closed it first
		unix.Close(fd)
	}
	if c.tls != nil {
		c.tls.End()
	}
}

// reupgrade is the state that a connection brings back from net/http.
type reupgrade struct {
	head []byte
	tls  *tlsState
}
