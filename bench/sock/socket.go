package sock

import (
	"net/netip"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// CloseReset closes a socket with RST instead of FIN: no TIME_WAIT remains, so the port is free for the next run.
func CloseReset(fd int) {
	_ = unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	_ = unix.Close(fd)
}

func Sockaddr(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
}

// The hot paths use RawSyscall, which does not tell Go's scheduler about the call. The calls never block, because the
// descriptors are non-blocking, and the scheduler's bookkeeping for a blocking call costs as much as the entry into the
// kernel.

// Read returns the number of bytes read, 0 at the end of the stream, or -errno.
func Read(fd int, b []byte) int {
	n, _, e := syscall.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
	if e != 0 {
		return -int(e)
	}
	return int(n)
}

// Write returns the number of bytes written or -errno. SIGPIPE does not end the program, because Go's runtime ignores that
// signal for sockets.
func Write(fd int, b []byte) int {
	n, _, e := syscall.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
	if e != 0 {
		return -int(e)
	}
	return int(n)
}

// WaitAlone is epoll_wait without the scheduler, for a thread that does nothing else: the thread keeps its processor
// (GOMAXPROCS) while it sleeps. A signal of the garbage collector or the scheduler interrupts it; then it returns 0, which
// it may do at any time.
func WaitAlone(epfd int, events []unix.EpollEvent) int {
	n, _, e := syscall.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(epfd), uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), ^uintptr(0), 0, 0)
	if e != 0 {
		return 0
	}
	return int(n)
}

// Wait is epoll_wait. It first asks without blocking and without the scheduler, because under load there always is an
// event. If there is none, it makes a call that the scheduler knows of; otherwise a garbage collection would have to wait
// for it.
func Wait(epfd int, events []unix.EpollEvent) int {
	n, _, e := syscall.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(epfd), uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), 0, 0, 0)
	if e == 0 && n > 0 {
		return int(n)
	}
	m, err := unix.EpollWait(epfd, events, -1)
	if err != nil {
		return 0
	}
	return m
}

// MaxEvents is the maximum number of events that one wait returns.
const MaxEvents = 512
