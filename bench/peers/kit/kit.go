// Package kit has the parts that every peer needs and that libraries do not provide: flags, the limit of open files, a listener, the set of
// clients.
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

// Limits of all peers.
const (
	MaxMessage = 1 << 20          // bytes; a longer message disconnects its sender
	MaxQueue   = 4 << 20          // bytes that may wait for one client before it is disconnected
	Patience   = 10 * time.Second // how long a client may accept nothing before it is disconnected
)

// Address parses the flags, raises the limit of open files, and returns the address to listen on. It exits the program on an error.
func Address() string {
	listen := flag.String("listen", "127.0.0.1:0", "`address` and port; port 0 takes a free one")
	flag.Parse()
	if flag.NArg() > 0 {
		log.Fatalf("unknown arguments %q: use only -listen ADDRESS:PORT", flag.Args())
	}
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		log.Fatalf("reading the limit of open files: %v", err)
	}
	l.Cur = l.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		log.Fatalf("raising the limit of open files to %d: %v", l.Max, err)
	}
	return *listen
}

// Announce prints the address that a peer listens on. It must be the first line of the output, because webim-bench waits for it.
func Announce(a net.Addr) { fmt.Printf("listening on %s\n", a) }

// Listen calls Address, listens there, and calls Announce.
func Listen() net.Listener { return listen(net.ListenConfig{}) }

// ListenPatient is Listen for libraries with unlimited queues that cannot be inspected. The kernel disconnects a client that accepts
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
		log.Fatalf("%v: use another -listen ADDRESS:PORT", err)
	}
	Announce(ln.Addr())
	return ln
}
