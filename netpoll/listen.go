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
	// Handler is told of its connections; nil: the Server's.
	Handler Handler
	// HTTP answers its requests that are no upgrades; nil: Config.HTTP.
	HTTP http.Handler
}

// listener is a bound socket, watched by the first loop.
type listener struct {
	Listener
	index int
	addr  net.Addr
	http  *httpBridge
	tls   *tls.Config // nil: plain
	mu    sync.Mutex  // held while connections are accepted, and while the listener is closed
	fd    int         // -1: closed
	file  os.FileInfo // of a Unix socket: at the end only this file is removed from its path; nil: none
	// watched is false while the listener waits for descriptors; see accept.
	watched atomic.Bool
}

// Listen binds an address and starts accepting. It returns the bound address, which tells the port
// after port 0. It may be called several times, also while serving.
func (s *Server) Listen(l Listener) (net.Addr, error) {
	if err := s.start(); err != nil {
		return nil, err
	}
	if l.Handler == nil {
		l.Handler = s.handler
	}
	if l.HTTP == nil {
		l.HTTP = s.cfg.HTTP
	}
	ln := &listener{Listener: l}
	if l.TLS != nil {
		ln.tls = tlsConfig(l.TLS)
	}
	fd, addr, err := socket.Listen(cmp.Or(l.Network, "tcp"), l.Addr, s.cfg.SendBuffer)
	if err != nil {
		return nil, err
	}
	ln.fd, ln.addr = fd, addr
	if l.Network == "unix" {
		ln.file, _ = os.Lstat(l.Addr) // without it, the socket stays there at the end
	}
	ln.http = newHTTPBridge(s, ln)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != serving {
		unix.Close(fd)
		ln.http.close()
		return nil, ErrServerClosed
	}
	old := s.listeners()
	if ln.index = len(old); ln.index > 255 {
		unix.Close(fd)
		ln.http.close()
		return nil, errors.New("netpoll: at most 256 listeners")
	}
	lns := append(old[:len(old):len(old)], ln)
	s.lns.Store(&lns) // first: a connection may come at once
	ln.watched.Store(true)
	if err := s.loops[0].watch(fd, func() { s.accept(ln) }); err != nil {
		s.lns.Store(&old)
		unix.Close(fd)
		ln.http.close()
		return nil, err
	}
	return addr, nil
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
		ln.mu.Lock()
		s.loops[0].unpark(ln.fd)
		unix.Close(ln.fd)
		ln.fd = -1
		ln.mu.Unlock()
		if now, err := os.Lstat(ln.Addr); ln.file != nil && err == nil && os.SameFile(ln.file, now) {
			os.Remove(ln.Addr)
		}
	}
}
