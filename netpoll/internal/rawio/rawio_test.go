package rawio

import (
	"testing"

	"golang.org/x/sys/unix"
)

func TestCalls(t *testing.T) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fds[0])
	b := make([]byte, 100)
	expect := func(call string, n int, errno unix.Errno, wantN int, want unix.Errno) {
		t.Helper()
		if n != wantN || errno != want {
			t.Errorf("%s: %d, %v; want %d, %v", call, n, errno, wantN, want)
		}
	}
	n, errno := Read(fds[0], b)
	expect("reading nothing", n, errno, 0, unix.EAGAIN)
	n, errno = Write(fds[1], []byte("one "))
	expect("write", n, errno, 4, 0)
	n, errno = Write(fds[1], nil)
	expect("writing nothing", n, errno, 0, 0)
	n, errno = Writev(fds[1], []unix.Iovec{Iovec([]byte("two ")), Iovec([]byte("three"))})
	expect("writev", n, errno, 9, 0)
	n, errno = Read(fds[0], b)
	expect("read", n, errno, 13, 0)
	if got := string(b[:n]); got != "one two three" {
		t.Errorf("read %q", got)
	}
	unix.Close(fds[1])
	n, errno = Read(fds[0], b)
	expect("reading at the end", n, errno, 0, 0)
	n, errno = Write(-1, []byte("x"))
	expect("writing to no descriptor", n, errno, 0, unix.EBADF)
}
