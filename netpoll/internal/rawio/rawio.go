// Package rawio makes the system calls that move bytes: read, peek, write and writev on descriptors that
// never block.
//
// They are raw calls, which do not tell the Go scheduler that the thread may wait. That is right
// because a non-blocking descriptor never makes it wait, and it saves 50 to 100 ns of a call of some
// 8 µs.
package rawio

import (
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// MaxIovecs is the most stretches of memory that one Writev takes.
const MaxIovecs = 64

// Read reads once. 0 bytes without an error are the end of the stream. b must not be empty.
func Read(fd int, b []byte) (int, unix.Errno) {
	return call(unix.SYS_READ, fd, unsafe.Pointer(&b[0]), len(b))
}

// Peek is Read for a socket, which keeps the bytes: the next call gets them again.
func Peek(fd int, b []byte) (int, unix.Errno) {
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), unix.MSG_PEEK, 0, 0)
		switch errno {
		case 0:
			return int(n), 0
		case unix.EINTR:
		default:
			return 0, errno
		}
	}
}

// Write writes once, and returns how many bytes the descriptor has taken.
func Write(fd int, b []byte) (int, unix.Errno) {
	if len(b) == 0 {
		return 0, 0
	}
	return call(unix.SYS_WRITE, fd, unsafe.Pointer(&b[0]), len(b))
}

// Writev is Write for several stretches of memory, none of them empty. An Iovec is made by Iovec.
func Writev(fd int, iov []unix.Iovec) (int, unix.Errno) {
	return call(unix.SYS_WRITEV, fd, unsafe.Pointer(&iov[0]), len(iov))
}

// Iovec returns b as Writev takes it. b must not be empty.
func Iovec(b []byte) unix.Iovec {
	v := unix.Iovec{Base: &b[0]}
	v.SetLen(len(b))
	return v
}

// call makes a system call that reads or writes n items at p, again if a signal interrupts it.
func call(trap uintptr, fd int, p unsafe.Pointer, n int) (int, unix.Errno) {
	for {
		n, _, errno := unix.RawSyscall(trap, uintptr(fd), uintptr(p), uintptr(n))
		switch errno {
		case 0:
			return int(n), 0
		case unix.EINTR:
		default:
			return 0, errno
		}
	}
}

// WriteLimit is the most bytes that a server made from now on offers to one write; 0: no limit. It
// is for tests of partial writes: see package netpoll/wstest/shortwrite.
var WriteLimit atomic.Int32
