package bench

import (
	"errors"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// errReset is what ends a client that we cut ourselves; errTimeout one whose handshake never ended.
var (
	errReset   = errors.New("reset by ourselves")
	errTimeout = errors.New("no answer to the connect or the upgrade in time")
)

// pump dials as many of the clients to be dialed as the bound on handshakes in flight allows. It runs after every round of events.
func (w *worker) pump() {
	for len(w.todo) > 0 && w.inFlight < w.fleet.cfg.inFlight()/len(w.fleet.workers)+1 {
		c := w.todo[0]
		w.todo = w.todo[1:]
		w.inFlight++
		w.dial(c)
	}
}

// settle counts the end of a handshake, good or bad.
func (w *worker) settle(err error) {
	w.inFlight--
	f := w.fleet
	if err == nil {
		f.openCount.Add(1)
		f.lastOpen.Store(now())
	} else {
		f.failed.Add(1)
		f.noteFailure(err)
	}
	if f.waiting.Add(-1) == 0 {
		select {
		case f.settled <- struct{}{}:
		default:
		}
	}
}

// dial begins a client's life. On loopback the connection usually stands when connect(2) returns, EINPROGRESS or not, so the request is tried at
// once: that saves a round through epoll.
func (w *worker) dial(c *client) {
	c.dec, c.answer, c.err, c.code, c.stuck = Decoder{}, nil, nil, 0, false
	c.session = nil
	c.gen++
	c.state.Store(dialing)
	if w.fleet.target.tls {
		w.dialTLS(c)
		return
	}
	fd, err := dialSocket(w.fleet.target, w.fleet.first, c.index, w.fleet.cfg.sources())
	if err != nil {
		c.state.Store(absent)
		c.err, c.endedAt = err, now()
		w.settle(err)
		return
	}
	c.fd = fd
	if err := w.park(c); err != nil {
		w.drop(c, err)
		return
	}
	w.connected(c)
}

// park registers a client's socket, once in its life.
func (w *worker) park(c *client) error {
	ev := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET&0xffffffff, Fd: int32(c.index), Pad: c.gen}
	return unix.EpollCtl(w.epfd, unix.EPOLL_CTL_ADD, c.fd, &ev)
}

// connected writes the upgrade request, if the connection stands. It is called again at EPOLLOUT until it does. The request is smaller than any empty
// socket buffer, so it is taken whole.
func (w *worker) connected(c *client) {
	n := rawWrite(c.fd, w.fleet.request(c.path))
	switch {
	case n > 0:
		c.state.Store(upgrading)
	case n == -int(unix.EAGAIN):
	default:
		w.drop(c, syscall.Errno(-n))
	}
}

// dialSocket makes a non-blocking socket and begins to connect it, from the loopback address that is for client i.
func dialSocket(t target, first, i, sources int) (int, error) {
	family := unix.AF_INET
	if !t.addr.Addr().Is4() {
		family = unix.AF_INET6
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	if src, ok := t.source(first, i, sources); ok {
		// The port is chosen at connect, when the whole four-tuple is known; else bind would need a port that is free for every destination.
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
		if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: src}); err != nil {
			unix.Close(fd)
			return -1, err
		}
	}
	if err := unix.Connect(fd, sockaddr(t.addr)); err != nil && err != unix.EINPROGRESS {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

func sockaddr(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
}
