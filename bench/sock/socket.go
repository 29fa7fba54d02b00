package sock

import (
	"net/netip"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// CloseReset closes with RST instead of FIN: the socket leaves no TIME_WAIT behind, so its port is free for the next run.
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

// The system calls of the hot paths go around Go's scheduler (RawSyscall): they never block, because the descriptors are non-blocking, and
// the bookkeeping of a blocking call costs as much as the kernel's entry itself.

// Read returns the bytes read, 0 at the end of the stream, or -errno.
func Read(fd int, b []byte) int {
	n, _, e := syscall.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
	if e != 0 {
		return -int(e)
	}
	return int(n)
}

// Write returns the bytes written or -errno. It never raises SIGPIPE, because Go's runtime handles that for sockets.
func Write(fd int, b []byte) int {
	n, _, e := syscall.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
	if e != 0 {
		return -int(e)
	}
	return int(n)
}

// WaitAlone is epoll_wait around the scheduler, for a thread that does nothing else: it keeps its processor (GOMAXPROCS) while it sleeps. A collection or the scheduler
// interrupts it by a signal; then it returns 0, as it may at any time.
func WaitAlone(epfd int, events []unix.EpollEvent) int {
	n, _, e := syscall.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(epfd), uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), ^uintptr(0), 0, 0)
	if e != 0 {
		return 0
	}
	return int(n)
}

// Wait is epoll_wait: first without blocking and around the scheduler, because under load there is always something; then as a call that
// the scheduler knows of, or a garbage collection would wait for it.
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

// MaxEvents is how many events one wait takes at most.
const MaxEvents = 512
