package wstest

import (
	"bytes"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// Visit returns a function that connects a client to an IPv4 address, sends it an upgrade
// request, expects the answer 101, and resets the connection. If said is not nil, the client
// sends it before the reset and reads once. The function waits for ended, which the server's
// handler has to fill at the end of each connection. It allocates nothing, so that a test or a
// benchmark counts the allocations of the server only. It panics if anything fails,
// or takes longer than Patience.
func Visit(addr netip.AddrPort, request, said []byte, ended <-chan bool) func() {
	patience := unix.NsecToTimeval(int64(Patience))
	late := time.NewTimer(Patience)
	late.Stop()
	sa, linger := &unix.SockaddrInet4{Port: int(addr.Port()), Addr: addr.Addr().As4()}, &unix.Linger{Onoff: 1}
	answer := make([]byte, 1<<10)
	must := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	read := func(fd int) (n int) {
		err := error(unix.EINTR) // of a signal of Go's scheduler: the kernel does not begin a read with a timeout again
		for err == unix.EINTR {
			n, err = unix.Read(fd, answer)
		}
		must(err)
		return n
	}
	return func() {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		must(err)
		must(unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &patience))
		must(unix.Connect(fd, sa))
		_, err = unix.Write(fd, request)
		must(err)
		if n := read(fd); !bytes.HasPrefix(answer[:n], []byte("HTTP/1.1 101 ")) {
			panic(fmt.Sprintf("%q", answer[:n]))
		}
		if said != nil {
			_, err = unix.Write(fd, said)
			must(err)
			read(fd)
		}
		must(unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, linger))
		must(unix.Close(fd))
		late.Reset(Patience)
		select {
		case <-ended:
			late.Stop()
		case <-late.C:
			panic("the server does not see the end of a connection")
		}
	}
}
