// Package kit is what every peer needs and no library has an opinion on: flags, the fd limit, a listener, the set of clients.
package kit

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Limits that all peers share.
const (
	MaxMessage = 1 << 20          // bytes; a longer one ends its sender
	MaxQueue   = 4 << 20          // bytes that may wait for one client before it is cut
	Patience   = 10 * time.Second // how long one client may take nothing before it is cut
)

// Address parses the flags, raises the limit of open files, and returns where to listen. It ends the program if that fails.
func Address() string {
	listen := flag.String("listen", "127.0.0.1:0", "`address` and port; port 0 takes a free one")
	flag.Parse()
	if flag.NArg() > 0 {
		log.Fatalf("%q: the only argument is -listen ADDRESS:PORT", flag.Args())
	}
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		log.Fatalf("the limit of open files: %v", err)
	}
	l.Cur = l.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		log.Fatalf("raising the limit of open files to %d: %v", l.Max, err)
	}
	return *listen
}

// Announce prints the address that a peer listens on. It must be the first line of its output: webim-bench waits for it.
func Announce(a net.Addr) { fmt.Printf("listening on %s\n", a) }

// Listen is Address, a listener, and Announce.
func Listen() net.Listener { return listen(net.ListenConfig{}) }

// ListenPatient is Listen for libraries that queue without a bound and do not show their queue: the kernel ends a connection that takes
// nothing for the time of Patience. Accepted sockets inherit the option.
func ListenPatient() net.Listener {
	return listen(net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) (err error) {
		if cerr := c.Control(func(fd uintptr) {
			err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(Patience.Milliseconds()))
		}); cerr != nil {
			return cerr
		}
		return err
	}})
}

func listen(c net.ListenConfig) net.Listener {
	ln, err := c.Listen(context.Background(), "tcp4", Address())
	if err != nil {
		log.Fatalf("%v: give another -listen ADDRESS:PORT", err)
	}
	Announce(ln.Addr())
	return ln
}
