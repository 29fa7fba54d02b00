package bench

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The system calls of the hot paths go around Go's scheduler (RawSyscall): they never block, because the descriptors are non-blocking, and
// the bookkeeping of a blocking call costs as much as the kernel's entry itself.

// rawRead returns the bytes read, 0 at the end of the stream, or -errno.
func rawRead(fd int, b []byte) int {
	n, _, e := syscall.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
	if e != 0 {
		return -int(e)
	}
	return int(n)
}

// rawWrite returns the bytes written or -errno. It never raises SIGPIPE, because Go's runtime handles that for sockets.
func rawWrite(fd int, b []byte) int {
	n, _, e := syscall.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
	if e != 0 {
		return -int(e)
	}
	return int(n)
}

// rawWait is epoll_wait around the scheduler, for a thread that does nothing else: it keeps its processor (GOMAXPROCS) while it sleeps. A collection or the scheduler
// interrupts it by a signal; then it returns 0, as it may at any time.
func rawWait(epfd int, events []unix.EpollEvent) int {
	n, _, e := syscall.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(epfd), uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), ^uintptr(0), 0, 0)
	if e != 0 {
		return 0
	}
	return int(n)
}

// wait is epoll_wait: first without blocking and around the scheduler, because under load there is always something; then as a call that
// the scheduler knows of, or a garbage collection would wait for it.
func wait(epfd int, events []unix.EpollEvent) int {
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
