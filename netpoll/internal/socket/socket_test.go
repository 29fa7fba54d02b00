package socket

import (
	"net"
	"path/filepath"
	"testing"

	"webim/netpoll/wstest"

	"golang.org/x/sys/unix"
)

// TestAccept checks that a connection comes with its client's address, and with the options of its
// listener.
func TestAccept(t *testing.T) {
	for _, c := range []struct{ network, address string }{
		{"tcp4", "127.0.0.1:0"}, {"unix", filepath.Join(t.TempDir(), "socket")},
	} {
		ln, addr, err := Listen(c.network, c.address, 32<<10)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(ln)
		if _, _, _, errno := Accept(ln); errno != unix.EAGAIN {
			t.Errorf("%s: nothing has come: %v", c.network, errno)
		}
		client, err := net.Dial(addr.Network(), addr.String())
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		wstest.Eventually(t, "the connection comes", func() bool {
			fd, ip, port, errno := Accept(ln)
			if errno == unix.EAGAIN {
				return false
			}
			if errno != 0 {
				t.Fatal(errno)
			}
			defer unix.Close(fd)
			if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0); err != nil || flags&unix.O_NONBLOCK == 0 {
				t.Errorf("%s: the connection has the flags %x, %v", c.network, flags, err)
			}
			if c.network == "unix" {
				if ip.IsValid() {
					t.Errorf("a client of a Unix socket has the address %v", ip)
				}
				return true
			}
			if want := client.LocalAddr().(*net.TCPAddr).AddrPort(); ip != want.Addr() || port != want.Port() {
				t.Errorf("the client is %v, port %d; want %v", ip, port, want)
			}
			if size, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF); err != nil || size != 2*32<<10 {
				t.Errorf("SO_SNDBUF is %d, %v", size, err)
			}
			return true
		})
	}
}

// TestListenFails checks that an address that is taken is an error.
func TestListenFails(t *testing.T) {
	ln, addr, err := Listen("tcp4", "127.0.0.1:0", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(ln)
	if _, _, err := Listen("tcp4", addr.String(), 0); err == nil {
		t.Error("two sockets listen on one address")
	}
}
