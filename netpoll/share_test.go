package netpoll

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// from opens a connection that seems to come from an address.
func from(t *testing.T, s *Server, addr string) net.Conn {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fds[1]), "client")
	c, err := net.FileConn(f)
	f.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(30 * time.Second))
	s.admit(s.listeners()[0], fds[0], netip.MustParseAddr(addr), 1, nil)
	return c
}

// get asks for a page and returns the status.
func get(t *testing.T, c net.Conn) int {
	t.Helper()
	fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	r, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	return r.StatusCode
}

// Of the places with net/http an address has a quarter, and what it left
// others may have.
func TestHTTPShare(t *testing.T) {
	s := serve(t, Config{MaxHTTP: 8, HTTP: http.NotFoundHandler()}, nil)
	var first net.Conn
	for i, tt := range []struct {
		addr   string
		status int
	}{
		{"192.0.2.1", 404}, {"192.0.2.1", 404}, {"192.0.2.1", 503},
		{"2001:db8::1", 404}, {"2001:db8::2", 404}, {"2001:db8::3", 503},
		{"127.0.0.1", 404}, {"127.0.0.1", 404}, {"127.0.0.1", 404}, {"127.0.0.1", 404}, // exempt, but there are no more than 8
		{"192.0.2.2", 503},
	} {
		c := from(t, s, tt.addr)
		if got := get(t, c); got != tt.status {
			t.Errorf("%d: %s gets %d, want %d", i, tt.addr, got, tt.status)
		}
		if i == 0 {
			first = c
		}
	}
	first.Close()
	soon(t, "its place is free", func() bool { return s.Stats().HTTP == 7 })
	if got := get(t, from(t, s, "192.0.2.1")); got != 404 {
		t.Errorf("once there is room: %d", got)
	}
}
