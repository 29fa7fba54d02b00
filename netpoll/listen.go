package netpoll

import (
	"cmp"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"

	"webim/netpoll/internal/httpbridge"
	"webim/netpoll/internal/moving"
	"webim/netpoll/internal/socket"

	"golang.org/x/sys/unix"
)

// A Listener is one address that a Server listens on.
type Listener struct {
	// Network is "tcp" (also "tcp4", "tcp6") or "unix"; empty: tcp.
	Network string
	// Addr is host:port, or the path of a Unix socket.
	Addr string
	// TLS makes it wss and https; nil: ws and http. Versions below 1.2 are
	// refused whatever it says, and HTTP/2 is not offered. To change
	// certificates while serving, set GetCertificate. A panic of a callback
	// fails the one handshake.
	TLS *tls.Config
	// ProxyProtocol expects a header of the PROXY protocol, version 1 or 2, before everything else, also before
	// TLS, on each connection from a listed proxy (Config.Exempt, Config.ExemptUnix). The client that it names
	// counts in all limits. A header that names none, as for a health check, leaves the proxy's own address.
	// Others than listed proxies connect without a header. X-Forwarded-For is not read.
	ProxyProtocol bool
	// Handler is told of its connections; nil: the Server's.
	Handler Handler
	// HTTP answers its requests that are no upgrades; nil: Config.HTTP.
	HTTP http.Handler
	// FD, if it is not 0, is a listening socket for this address, which another process has made and which the
	// server owns from then on, also after an error of Listen.
	FD int
}

// listener is a bound socket, watched by the first loop.
type listener struct {
	Listener
	index int
	addr  net.Addr
	http  *httpbridge.Bridge
	tls   *tls.Config // nil: plain
	mu    sync.Mutex  // held while connections are accepted, and while the listener is closed
	fd    int         // -1: closed
	file  os.FileInfo // of a Unix socket: at the end only this file is removed from its path; nil: none
	// watched is false while the listener waits for descriptors; see accept.
	watched atomic.Bool
}

// Listen binds an address and starts accepting. It returns the bound address, which tells the port
// after port 0. It may be called several times, also while serving.
func (s *Server) Listen(l Listener) (addr net.Addr, err error) {
	if err := s.start(); err != nil {
		return nil, err
	}
	if l.Handler == nil {
		l.Handler = s.handler
	}
	if l.HTTP == nil {
		l.HTTP = s.cfg().HTTP
	}
	ln := &listener{Listener: l}
	if l.TLS != nil {
		ln.tls = tlsConfig(l.TLS)
	}
	if ln.fd, ln.addr, err = s.bind(l); err != nil {
		return nil, err
	}
	if l.Network == "unix" {
		ln.file, _ = os.Lstat(l.Addr) // without it, the socket stays there at the end
	}
	ln.http = s.newHTTPBridge(ln)
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.listeners()
	ln.index = len(old)
	switch {
	case s.state != serving:
		err = ErrServerClosed
	case ln.index > 255:
		err = errors.New("netpoll: at most 256 listeners")
	default:
		lns := append(old[:len(old):len(old)], ln)
		s.lns.Store(&lns) // first: a connection may come at once
		if s.held {       // Thaw watches it
			return ln.addr, nil
		}
		if err = s.watch(ln); err == nil {
			return ln.addr, nil
		}
		s.lns.Store(&old)
	}
	unix.Close(ln.fd)
	ln.http.Close()
	return nil, err
}

// bind makes the socket of a listener, or takes over an inherited one.
func (s *Server) bind(l Listener) (fd int, addr net.Addr, err error) {
	network := cmp.Or(l.Network, "tcp")
	if l.FD == 0 {
		return socket.Listen(network, l.Addr, s.cfg().SendBuffer)
	}
	if addr, err = socket.Inherit(l.FD, network, s.cfg().SendBuffer); err != nil {
		unix.Close(l.FD)
	}
	return l.FD, addr, err
}

// watch makes the first loop accept the connections of a listener, unless it does already.
func (s *Server) watch(ln *listener) error {
	ln.mu.Lock()
	defer ln.mu.Unlock()
	if ln.fd < 0 || ln.watched.Swap(true) {
		return nil
	}
	return s.loops[0].Watch(ln.fd, func() { s.accept(ln) })
}

// unwatch ends watch.
func (s *Server) unwatch(ln *listener) {
	ln.mu.Lock()
	defer ln.mu.Unlock()
	if ln.watched.Swap(false) {
		s.loops[0].Unpark(ln.fd)
	}
}

// Listeners returns the listeners, in the order of Listen, with their descriptors: for a process that takes them over.
func (s *Server) Listeners() (all []Listener) {
	for _, ln := range s.listeners() {
		l := ln.Listener
		l.FD = ln.fd
		all = append(all, l)
	}
	return all
}

func (s *Server) listeners() []*listener {
	if p := s.lns.Load(); p != nil {
		return *p
	}
	return nil
}

// stopListening closes the listening sockets; connections stay.
func (s *Server) stopListening() {
	for _, ln := range s.listeners() {
		s.unwatch(ln)
		ln.mu.Lock()
		unix.Close(ln.fd)
		ln.fd = -1
		ln.mu.Unlock()
		if now, err := os.Lstat(ln.Addr); ln.file != nil && err == nil && os.SameFile(ln.file, now) {
			os.Remove(ln.Addr)
		}
	}
}

// describe describes the listener for another process.
func (ln *listener) describe() moving.Listener {
	return moving.Listener{Network: ln.Network, Addr: ln.Addr, TLS: ln.tls != nil}
}
