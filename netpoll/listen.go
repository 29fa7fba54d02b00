package netpoll

import (
	"cmp"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"os"

	"webim/netpoll/internal/httpbridge"
	"webim/netpoll/internal/moving"
	"webim/netpoll/internal/socket"
	"webim/netpoll/internal/tlsmem"

	"golang.org/x/sys/unix"
)

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

// Listeners returns the listeners, in the order of Listen, with their descriptors: for a process that takes them over.
func (s *Server) Listeners() (all []Listener) {
	for _, ln := range s.listeners() {
		l := ln.Listener
		l.FD = ln.fd
		all = append(all, l)
	}
	return all
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

// newHTTPBridge makes the bridge between a listener and net/http.
func (s *Server) newHTTPBridge(ln *listener) *httpbridge.Bridge {
	return httpbridge.New(httpbridge.Config{
		Addr: ln.addr, Handler: ln.HTTP, Conns: &s.httpConns, Refusals: s.refusals, Running: &s.running,
		Logger: s.cfg().Logger, MaxHead: s.cfg().MaxHead, Timeout: s.cfg().HandshakeTimeout, ProxyProtocol: ln.ProxyProtocol,
		Back: func(fd int, addr netip.AddrPort, head []byte, tls *tlsmem.Conn, left func()) {
			s.addConn(ln, fd, addr.Addr(), addr.Port(), &reupgrade{head: head, tls: tls, left: left})
		},
	})
}

// tlsConfig returns a listener's configuration as the server uses it.
func tlsConfig(cfg *tls.Config) *tls.Config {
	cfg = cfg.Clone()
	cfg.MinVersion = max(cfg.MinVersion, tls.VersionTLS12)
	cfg.NextProtos = []string{"http/1.1"} // an upgrade needs it
	return cfg
}

// ListenAndServe listens on a TCP address, as ":9501", and serves until the
// server is shut down.
func (s *Server) ListenAndServe(addr string) error {
	if _, err := s.Listen(Listener{Addr: addr}); err != nil {
		return err
	}
	return s.Serve()
}
