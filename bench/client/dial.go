package client

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"

	"webim/bench/sock"
	"webim/bench/stat"
	"webim/bench/ws"
)

// ErrReset ends a client that the lab itself cuts. ErrTimeout ends a client whose handshake takes too long.
var (
	ErrReset   = errors.New("reset by the client itself")
	ErrTimeout = errors.New("timeout of the connect or the upgrade")
)

// dialNext dials waiting clients, as many as the limit of concurrent handshakes allows. It runs after every round of
// events.
func (w *Receiver) dialNext() {
	for len(w.todo) > 0 && w.inFlight < w.fleet.cfg.MaxHandshakes()/len(w.fleet.Receivers)+1 {
		c := w.todo[0]
		w.todo = w.todo[1:]
		w.inFlight++
		w.dial(c)
	}
}

// handshakeEnded counts the end of a handshake; err is nil if it succeeded.
func (w *Receiver) handshakeEnded(err error) {
	w.inFlight--
	f := w.fleet
	if err == nil {
		f.openCount.Add(1)
		f.lastOpen.Store(stat.Now())
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

// dial starts a client's connection. On loopback the connection usually is established when connect(2) returns, even with
// EINPROGRESS. So dial tries to send the request at once, which saves a round through epoll.
func (w *Receiver) dial(c *Client) {
	c.Decoder, c.answer, c.Err, c.CloseCode, c.Stuck = ws.Decoder{}, nil, nil, 0, false
	c.session = nil
	c.gen++
	c.state.Store(dialing)
	if w.fleet.target.TLS {
		w.startTLS(c)
		return
	}
	fd, err := dialSocket(w.fleet.target, w.fleet.FirstSource, c.Index, w.fleet.cfg.SourceAddresses())
	if err != nil {
		c.state.Store(absent)
		c.Err = err
		w.handshakeEnded(err)
		return
	}
	c.fd = fd
	if err := w.park(c); err != nil {
		w.drop(c, err)
		return
	}
	w.connected(c)
}

// park registers a client's socket with epoll, once per connection.
func (w *Receiver) park(c *Client) error {
	ev := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET&0xffffffff, Fd: int32(c.Index), Pad: c.gen}
	return unix.EpollCtl(w.epfd, unix.EPOLL_CTL_ADD, c.fd, &ev)
}

// connected sends the upgrade request if the connection is established; otherwise EPOLLOUT calls it again. An empty socket
// buffer always has room for the whole request.
func (w *Receiver) connected(c *Client) {
	n := sock.Write(c.fd, w.fleet.request(c.Room))
	switch {
	case n > 0:
		c.state.Store(upgrading)
	case n == -int(unix.EAGAIN):
	default:
		w.drop(c, syscall.Errno(-n))
	}
}

// dialSocket creates a non-blocking socket and starts to connect it, from the loopback address of client i.
func dialSocket(t Target, first, i, sources int) (int, error) {
	family := unix.AF_INET
	if !t.Addr.Addr().Is4() {
		family = unix.AF_INET6
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	if src, ok := t.source(first, i, sources); ok {
		// The kernel chooses the port at connect, when it knows all four parts of the address pair. Otherwise bind would need a
		// port that is free for every destination.
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
		if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: src}); err != nil {
			unix.Close(fd)
			return -1, err
		}
	}
	if err := unix.Connect(fd, sock.Sockaddr(t.Addr)); err != nil && err != unix.EINPROGRESS {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}
