package bench

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// The floor is the bare server that results are shown as a ratio to: one thread that accepts, upgrades, and writes each frame that comes to
// each client with write(2), in a loop. It has no rooms, limits, timeouts or heartbeat. What a server needs more than this is its own doing; a raw
// write loop in Go is within 3 % of one in C.
type floor struct {
	epfd, lfd int
	wakefd    int
	conns     []*floorConn // in no order
	byFD      map[int]*floorConn
	buf       []byte
	frame     []byte
}

type floorConn struct {
	fd  int
	at  int    // in floor.conns
	up  bool   // upgraded
	in  []byte // an unfinished request or frame
	out []byte // what the socket did not take
}

// ServeFloor runs the floor server until ctx ends; ready is called with its address once it listens.
func ServeFloor(ctx context.Context, listen string, ready func(netip.AddrPort)) error {
	addr, err := netip.ParseAddrPort(listen)
	if err != nil || !addr.Addr().Is4() {
		return badOption("--listen %q: give an IPv4 address and port, like 127.0.0.1:9601", listen)
	}
	s := &floor{byFD: map[int]*floorConn{}, buf: make([]byte, 128<<10)}
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

func (s *floor) open(addr netip.AddrPort) (err error) {
	s.epfd, s.lfd, s.wakefd = -1, -1, -1
	if s.epfd, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err == nil {
		s.wakefd, err = unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	}
	if err == nil {
		s.lfd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	}
	if err == nil {
		_ = unix.SetsockoptInt(s.lfd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
		err = unix.Bind(s.lfd, sockaddr(addr))
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

func (s *floor) close() {
	for _, c := range s.conns {
		closeReset(c.fd)
	}
	for _, fd := range []int{s.lfd, s.wakefd, s.epfd} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
}

func (s *floor) run() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	events := make([]unix.EpollEvent, waitEvents)
	for {
		for _, ev := range events[:wait(s.epfd, events)] {
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

// accept takes one connection; the registration is level-triggered, so the next comes by itself.
func (s *floor) accept() {
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
	c := &floorConn{fd: fd, at: len(s.conns)}
	s.conns, s.byFD[fd] = append(s.conns, c), c
}

func (s *floor) drop(c *floorConn) {
	last := s.conns[len(s.conns)-1]
	s.conns[c.at], last.at = last, c.at
	s.conns = s.conns[:len(s.conns)-1]
	delete(s.byFD, c.fd)
	unix.Close(c.fd)
	c.fd = -1
}

func (s *floor) handle(c *floorConn, events uint32) {
	if events&unix.EPOLLOUT != 0 && len(c.out) > 0 {
		out := c.out
		c.out = nil
		s.write(c, out)
	}
	for c.fd >= 0 {
		n := rawRead(c.fd, s.buf)
		if n == -int(unix.EAGAIN) {
			return
		}
		if n <= 0 || !s.take(c, s.buf[:n]) {
			s.drop(c)
			return
		}
	}
}

// take serves what was read; false ends the connection.
func (s *floor) take(c *floorConn, b []byte) bool {
	if len(c.in) > 0 {
		b = append(c.in, b...)
		c.in = nil
	}
	if !c.up {
		n, answer := floorUpgrade(string(b))
		if n > 0 {
			s.write(c, []byte(answer))
			c.up, b = true, b[n:]
		}
	}
	for c.up && len(b) >= headerSize(b) {
		h, err := parseHeader(b)
		if err != nil || !h.masked || h.packed || h.length > 1<<20 {
			return false
		}
		if len(b) < h.size+h.length {
			break
		}
		body := b[h.size : h.size+h.length]
		b = b[h.size+h.length:]
		xorMask(body, h.mask, 0)
		if !s.serve(c, h.op, body) {
			return false
		}
	}
	if len(b) > 0 {
		c.in = append([]byte(nil), b...)
	}
	return len(c.in) < 2<<20
}

// floorUpgrade returns the length of a complete request and its answer.
func floorUpgrade(request string) (n int, answer string) {
	end := strings.Index(request, "\r\n\r\n")
	if end < 0 {
		return 0, ""
	}
	key := ""
	for line := range strings.SplitSeq(request[:end], "\r\n") {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.EqualFold(name, "Sec-WebSocket-Key") {
			key = strings.TrimSpace(value)
		}
	}
	return end + 4, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + acceptKey(key) + "\r\n\r\n"
}

// serve does what a frame asks for.
func (s *floor) serve(c *floorConn, op byte, body []byte) bool {
	switch op {
	case opText, opBinary:
		s.frame = append(appendHeader(s.frame[:0], op, len(body), nil), body...)
		for _, to := range s.conns {
			if to.up {
				s.write(to, s.frame)
			}
		}
	case opPing:
		s.write(c, appendFrame(nil, opPong, body, nil))
	case opClose:
		return false
	}
	return true
}

// write is the loop's body: a write(2), and a copy of what was not taken.
func (s *floor) write(c *floorConn, b []byte) {
	if len(c.out) == 0 {
		n := max(rawWrite(c.fd, b), 0)
		b = b[n:]
	}
	if len(b) > 0 && len(c.out) < 16<<20 { // who is further behind loses messages: it is a floor, not a server
		c.out = append(c.out, b...)
	}
}

// floorProcess is the floor server as a child.
type floorProcess struct {
	*Server
	url string
}

// startFloor starts it and reads from its first line where it listens.
func startFloor(ctx context.Context, argv []string) (*floorProcess, error) {
	first := make(chan string, 1)
	s, err := startProcess(argv, first)
	if err != nil {
		return nil, fmt.Errorf("the floor server: %w", err)
	}
	select {
	case line := <-first:
		at := line[strings.LastIndexByte(line, ' ')+1:]
		if _, _, err := net.SplitHostPort(at); err == nil {
			return &floorProcess{s, "ws://" + at + "/"}, nil
		}
	case <-s.exited:
	case <-ctx.Done():
	}
	s.Stop()
	return nil, fmt.Errorf("the floor server did not start: %s", s.out)
}
