// Package socket makes listening sockets and takes connections from them, as descriptors that the
// runtime's poller does not know.
package socket

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// backlog is the kernel's queue of connections not yet accepted. The kernel limits it to
// net.core.somaxconn.
const backlog = 4096

// Listen makes a listening socket, non-blocking and close-on-exec. It sets the options that a
// connection should have, because accept4 passes them on, which costs no system call. sendBuffer is
// SO_SNDBUF in bytes; 0 or less leaves the kernel's default.
func Listen(network, address string, sendBuffer int) (fd int, addr net.Addr, err error) {
	lc := net.ListenConfig{KeepAlive: -1, Control: func(_, _ string, c syscall.RawConn) error {
		var serr error
		err := c.Control(func(fd uintptr) { serr = setOptions(int(fd), network, sendBuffer) })
		return errors.Join(err, serr)
	}}
	// Go listens for Multipath TCP by default. It makes each handshake 3 % dearer here, also that
	// of a client with plain TCP.
	lc.SetMultipathTCP(false)
	ln, err := lc.Listen(context.Background(), network, address)
	if err != nil {
		return -1, nil, fmt.Errorf("netpoll: %w", err)
	}
	if u, ok := ln.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false)
	}
	defer ln.Close()
	fd, err = Dup(ln) // Go's poller owns the other one
	if err == nil {
		if err = errors.Join(unix.SetNonblock(fd, true), unix.Listen(fd, backlog)); err != nil {
			unix.Close(fd)
		}
	}
	if err != nil {
		return -1, nil, fmt.Errorf("netpoll: listening on %s: %w", address, err)
	}
	return fd, ln.Addr(), nil
}

// Inherit prepares a listening socket that another process has made with Listen, and returns its address.
func Inherit(fd int, network string, sendBuffer int) (net.Addr, error) {
	own, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("netpoll: taking over the listening descriptor %d: %w", fd, err)
	}
	f := os.NewFile(uintptr(own), "")
	ln, err := net.FileListener(f)
	f.Close()
	if err != nil {
		return nil, fmt.Errorf("netpoll: taking over the listening descriptor %d: %w", fd, err)
	}
	defer ln.Close() // a second reference, which leaves the socket and its path alone
	unix.CloseOnExec(fd)
	return ln.Addr(), setOptions(fd, network, sendBuffer)
}

func setOptions(fd int, network string, sendBuffer int) error {
	var err error
	if network != "unix" {
		// Frames leave whole and coalesced already; Nagle would only delay them.
		err = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	}
	if sendBuffer > 0 {
		err = errors.Join(err, SetSendBuffer(fd, sendBuffer))
	}
	return err
}

// SetSendBuffer sets SO_SNDBUF in bytes.
func SetSendBuffer(fd, bytes int) error {
	return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, bytes)
}

// Accept takes a connection from the kernel's queue, non-blocking and close-on-exec, with the
// client's address; that is zero for a Unix socket. The raw call saves the allocation of an address.
func Accept(listener int) (fd int, addr netip.Addr, port uint16, errno unix.Errno) {
	var sa unix.RawSockaddrAny
	size := uint32(unix.SizeofSockaddrAny)
	n, _, errno := unix.RawSyscall6(unix.SYS_ACCEPT4, uintptr(listener), uintptr(unsafe.Pointer(&sa)),
		uintptr(unsafe.Pointer(&size)), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
	if errno != 0 {
		return -1, netip.Addr{}, 0, errno
	}
	addr, port = peer(&sa)
	return int(n), addr, port, 0
}

// peer returns the address that accept4 has written. Unix sockets have none.
func peer(sa *unix.RawSockaddrAny) (netip.Addr, uint16) {
	switch sa.Addr.Family {
	case unix.AF_INET:
		p := (*unix.RawSockaddrInet4)(unsafe.Pointer(sa))
		return netip.AddrFrom4(p.Addr), p.Port<<8 | p.Port>>8
	case unix.AF_INET6:
		p := (*unix.RawSockaddrInet6)(unsafe.Pointer(sa))
		return netip.AddrFrom16(p.Addr).Unmap(), p.Port<<8 | p.Port>>8
	}
	return netip.Addr{}, 0
}

// Dup makes a descriptor of the socket of c, a connection or a listener of package net, that Go's
// poller does not know. The socket is non-blocking already.
func Dup(c any) (fd int, err error) {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return -1, errors.New("not a socket")
	}
	rc, err := sc.SyscallConn()
	if err != nil {
		return -1, err
	}
	fd = -1
	cerr := rc.Control(func(f uintptr) { fd, err = unix.FcntlInt(f, unix.F_DUPFD_CLOEXEC, 0) })
	return fd, errors.Join(cerr, err)
}

// Limit returns the soft limit of descriptors of this process.
func Limit() int {
	var l unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &l) != nil {
		return 1024
	}
	return int(min(l.Cur, 1<<22))
}
