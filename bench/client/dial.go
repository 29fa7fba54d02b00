package client

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"

	"webim/bench/sock"
	"webim/bench/stat"
	"webim/bench/ws"
)

// ErrReset is what ends a client that we cut ourselves; errTimeout one whose handshake never ended.
var (
	ErrReset   = errors.New("reset by ourselves")
	ErrTimeout = errors.New("no answer to the connect or the upgrade in time")
)

// dialNext dials as many of the clients to be dialed as the bound on handshakes in flight allows. It runs after every round of events.
func (w *Receiver) dialNext() {
	for len(w.todo) > 0 && w.inFlight < w.fleet.cfg.MaxHandshakes()/len(w.fleet.Receivers)+1 {
		c := w.todo[0]
		w.todo = w.todo[1:]
		w.inFlight++
		w.dial(c)
	}
}

// handshakeEnded counts the end of a handshake, good or bad.
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

// dial begins a client's life. On loopback the connection usually stands when connect(2) returns, EINPROGRESS or not, so the request is tried at
// once: that saves a round through epoll.
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
		c.Err, c.endedAt = err, stat.Now()
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

// park registers a client's socket, once in its life.
func (w *Receiver) park(c *Client) error {
	ev := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET&0xffffffff, Fd: int32(c.Index), Pad: c.gen}
	return unix.EpollCtl(w.epfd, unix.EPOLL_CTL_ADD, c.fd, &ev)
}

// connected writes the upgrade request, if the connection stands. It is called again at EPOLLOUT until it does. The request is smaller than any empty
// socket buffer, so it is taken whole.
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

// dialSocket makes a non-blocking socket and begins to connect it, from the loopback address that is for client i.
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
		// The port is chosen at connect, when the whole four-tuple is known; else bind would need a port that is free for every destination.
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
