package floor

import (
	"context"
	"fmt"
	"net/netip"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"

	"webim/bench/option"
	"webim/bench/sock"
	"webim/bench/ws"
)

// server is the floor server. One thread accepts, upgrades, reads each frame with one read(2), and writes it to each
// client of the sender's room (the path) with write(2), in a loop. It has no limits, timeouts, history or heartbeat.
// Everything that another server needs beyond this is its own work. A raw write loop in Go is within 3 % of one in C.
type server struct {
	epfd, lfd int
	wakefd    int
	byFD      []*conn // by file descriptor; nil if that is not a client
	rooms     map[string]*room
	buf       []byte
	frame     []byte
}

// room has the clients of one path, in no order.
type room struct {
	path  string
	conns []*conn
}

type conn struct {
	fd   int
	room *room  // nil before the upgrade
	at   int    // index in room.conns
	in   []byte // an unfinished request or frame
	out  []byte // bytes that the socket has not accepted yet
}

// Serve runs the floor server until ctx ends. It calls ready with the address when it listens.
func Serve(ctx context.Context, listen string, ready func(netip.AddrPort)) error {
	addr, err := netip.ParseAddrPort(listen)
	if err != nil || !addr.Addr().Is4() {
		return option.Bad("--listen %q: give an IPv4 address and port, like 127.0.0.1:9601", listen)
	}
	s := &server{rooms: map[string]*room{}, buf: make([]byte, 128<<10)}
	if err := s.open(addr); err != nil {
		return fmt.Errorf("floor server on %s: %w", listen, err)
	}
	defer s.close()
	if got, err := unix.Getsockname(s.lfd); err == nil {
		addr = netip.AddrPortFrom(addr.Addr(), uint16(got.(*unix.SockaddrInet4).Port))
	}
	ready(addr)
	stop := context.AfterFunc(ctx, func() { _, _ = unix.Write(s.wakefd, []byte{1, 0, 0, 0, 0, 0, 0, 0}) })
	defer stop()
	s.run()
	return nil
}

func (s *server) open(addr netip.AddrPort) (err error) {
	s.epfd, s.lfd, s.wakefd = -1, -1, -1
	if s.epfd, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err == nil {
		s.wakefd, err = unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	}
	if err == nil {
		s.lfd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	}
	if err == nil {
		_ = unix.SetsockoptInt(s.lfd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
		err = unix.Bind(s.lfd, sock.Sockaddr(addr))
	}
	if err == nil {
		err = unix.Listen(s.lfd, 4096)
	}
	for _, fd := range []int{s.lfd, s.wakefd} {
		if err == nil {
			err = unix.EpollCtl(s.epfd, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)})
		}
	}
	if err != nil {
		s.close()
	}
	return err
}

func (s *server) close() {
	for _, c := range s.byFD {
		if c != nil {
			sock.CloseReset(c.fd)
		}
	}
	for _, fd := range []int{s.lfd, s.wakefd, s.epfd} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
}

func (s *server) run() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	events := make([]unix.EpollEvent, sock.MaxEvents)
	for {
		for _, ev := range events[:sock.WaitAlone(s.epfd, events)] {
			switch fd := int(ev.Fd); fd {
			case s.wakefd:
				return
			case s.lfd:
				s.accept()
			default:
				if c := s.byFD[fd]; c != nil {
					s.handle(c, ev.Events)
				}
			}
		}
	}
}

// accept accepts one connection. The registration is level-triggered, so the next one causes another event.
func (s *server) accept() {
	fd, _, err := unix.Accept4(s.lfd, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
	if err != nil {
		return
	}
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	ev := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET&0xffffffff, Fd: int32(fd)}
	if err := unix.EpollCtl(s.epfd, unix.EPOLL_CTL_ADD, fd, &ev); err != nil {
		unix.Close(fd)
		return
	}
	for len(s.byFD) <= fd {
		s.byFD = append(s.byFD, nil)
	}
	s.byFD[fd] = &conn{fd: fd}
}

// join adds a client to the room of its path.
func (s *server) join(c *conn, path string) {
	r := s.rooms[path]
	if r == nil {
		r = &room{path: path}
		s.rooms[path] = r
	}
	c.room, c.at = r, len(r.conns)
	r.conns = append(r.conns, c)
}

func (s *server) drop(c *conn) {
	if r := c.room; r != nil {
		last := r.conns[len(r.conns)-1]
		r.conns[c.at], last.at = last, c.at
		r.conns[len(r.conns)-1] = nil
		if r.conns = r.conns[:len(r.conns)-1]; len(r.conns) == 0 {
			delete(s.rooms, r.path)
		}
	}
	s.byFD[c.fd] = nil
	unix.Close(c.fd)
	c.fd = -1
}

func (s *server) handle(c *conn, events uint32) {
	if events&unix.EPOLLOUT != 0 && len(c.out) > 0 {
		out := c.out
		c.out = nil
		s.write(c, out)
	}
	hangup := events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0
	for c.fd >= 0 {
		n := sock.Read(c.fd, s.buf)
		if n == -int(unix.EAGAIN) {
			return
		}
		if n <= 0 || !s.take(c, s.buf[:n]) {
			s.drop(c)
			return
		}
		if n < len(s.buf) && !hangup { // the socket is empty; a hang-up causes another event
			return
		}
	}
}

// take processes received bytes. It returns false to end the connection.
func (s *server) take(c *conn, b []byte) bool {
	if len(c.in) > 0 {
		b = append(c.in, b...)
		c.in = nil
	}
	if c.room == nil {
		n, path, answer := upgrade(string(b))
		if n > 0 {
			s.write(c, []byte(answer))
			s.join(c, path)
			b = b[n:]
		}
	}
	for c.room != nil && len(b) >= ws.HeaderSize(b) {
		h, err := ws.ParseHeader(b)
		if err != nil || !h.Masked || h.Compressed || h.Length > 1<<20 {
			return false
		}
		if len(b) < h.Size+h.Length {
			break
		}
		body := b[h.Size : h.Size+h.Length]
		b = b[h.Size+h.Length:]
		ws.Mask(body, h.Mask, 0)
		if !s.serve(c, h.Op, body) {
			return false
		}
	}
	if len(b) > 0 {
		c.in = append([]byte(nil), b...)
	}
	return len(c.in) < 2<<20
}

// upgrade returns the length of a complete upgrade request, its path, and the answer.
func upgrade(request string) (n int, path, answer string) {
	end := strings.Index(request, "\r\n\r\n")
	if end < 0 {
		return 0, "", ""
	}
	key := ""
	first, headers, _ := strings.Cut(request[:end], "\r\n")
	if words := strings.Fields(first); len(words) > 1 {
		path = strings.Clone(words[1])
	}
	for line := range strings.SplitSeq(headers, "\r\n") {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.EqualFold(name, "Sec-WebSocket-Key") {
			key = strings.TrimSpace(value)
		}
	}
	return end + 4, path, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + ws.AcceptKey(key) + "\r\n\r\n"
}

// serve processes one frame. It returns false to end the connection.
func (s *server) serve(c *conn, op byte, body []byte) bool {
	switch op {
	case ws.Text, ws.Binary:
		s.frame = append(ws.AppendHeader(s.frame[:0], op, len(body), nil), body...)
		for _, to := range c.room.conns {
			s.write(to, s.frame)
		}
	case ws.Ping:
		s.write(c, ws.AppendFrame(nil, ws.Pong, body, nil))
	case ws.Close:
		return false
	}
	return true
}

// write writes b, and keeps a copy of the bytes that the socket does not accept.
func (s *server) write(c *conn, b []byte) {
	if len(c.out) == 0 {
		n := max(sock.Write(c.fd, b), 0)
		b = b[n:]
	}
	if len(b) > 0 && len(c.out) < 16<<20 { // a client that falls further behind loses messages
		c.out = append(c.out, b...)
	}
}
