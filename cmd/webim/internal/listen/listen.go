package listen

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"webim/netpoll"
)

// An Address is an address to listen on: host:port, or unix:/path for a Unix socket.
type Address struct {
	Network string // for net.Listen: tcp or unix
	Name    string // host:port or path
}

// maxPath is the maximum length of the path of a Unix socket in bytes: see unix(7).
const maxPath = len(unix.RawSockaddrUnix{}.Path) - 1

// Parse parses an address. The error says how to write one.
func Parse(text string) (Address, error) {
	if path, ok := strings.CutPrefix(text, "unix:"); ok {
		switch {
		case path == "":
			return Address{}, errors.New("unix: has no path: write unix:/run/webim.sock")
		case len(path) > maxPath:
			return Address{}, fmt.Errorf("the path of a Unix socket has %d bytes, more than the maximum of %d: choose a shorter one", len(path), maxPath)
		}
		return Address{"unix", path}, nil
	}
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		return Address{}, errors.New(strconv.Quote(text) + " is not an address: write host:port, as 127.0.0.1:9501, [::1]:9501 or :9501, or unix:/path")
	}
	n, err := strconv.ParseUint(port, 10, 16)
	switch {
	case errors.Is(err, strconv.ErrRange):
		return Address{}, errors.New(strconv.Quote(text) + " is out of range: a port is a number from 0 to 65535; 0 takes a free one")
	case err != nil:
		return Address{}, errors.New(strconv.Quote(text) + " has no port: write a number from 0 to 65535 behind the colon; 0 takes a free one")
	}
	return Address{"tcp", net.JoinHostPort(host, strconv.FormatUint(n, 10))}, nil
}

// Local reports whether only this machine can reach the address.
func (a Address) Local() bool {
	if a.Network == "unix" {
		return true
	}
	host, _, _ := net.SplitHostPort(a.Name)
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// Reachable returns the address to connect to: one that stands for all addresses of the machine is no such address.
func (a Address) Reachable() string {
	host, port, err := net.SplitHostPort(a.Name)
	if a.Network == "unix" || err != nil {
		return a.Name
	}
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
		host = "localhost" // both families, one after the other
	}
	return net.JoinHostPort(host, port)
}

// Overlaps reports whether one process cannot listen on both addresses. It reports false if that depends on the machine.
func (a Address) Overlaps(b Address) bool {
	if a.Network != b.Network || a.AnyPort() {
		return false
	}
	for _, l := range a.listeners() {
		for _, m := range b.listeners() {
			if l.Addr == m.Addr {
				return true
			}
		}
	}
	host, port, _ := net.SplitHostPort(a.Name)
	other, same, _ := net.SplitHostPort(b.Name)
	return a.Network == "tcp" && port == same && (host == "" || other == "") // one of them means all addresses
}

// AnyPort reports whether the kernel chooses the port.
func (a Address) AnyPort() bool { return a.Network == "tcp" && strings.HasSuffix(a.Name, ":0") }

// IsAnyPort reports whether text is an address whose port the kernel chooses.
func IsAnyPort(text string) bool {
	a, err := Parse(text)
	return err == nil && a.AnyPort()
}

// listeners returns the listeners for the address. localhost always means 127.0.0.1 and [::1],
// regardless of /etc/hosts, because browsers try one or the other first.
func (a Address) listeners() []netpoll.Listener {
	if port, ok := strings.CutPrefix(a.Name, "localhost:"); ok && a.Network == "tcp" {
		return []netpoll.Listener{{Network: "tcp", Addr: "127.0.0.1:" + port}, {Network: "tcp", Addr: "[::1]:" + port}}
	}
	return []netpoll.Listener{{Network: a.Network, Addr: a.Name}}
}

var errNoSocket = errors.New("a file that is not a socket has this name")

// clear removes the file of a Unix socket if no process listens on it: a server that was killed
// leaves its file behind. It never removes anything else; if another kind of file has the name,
// clear returns errNoSocket.
func (a Address) clear() error {
	if a.Network != "unix" {
		return nil
	}
	info, err := os.Lstat(a.Name)
	if err != nil {
		return nil // nothing there, or listening will report the error
	}
	if info.Mode().Type() != os.ModeSocket {
		return errNoSocket
	}
	if c, err := net.Dial("unix", a.Name); err == nil {
		_ = c.Close()
	} else if errors.Is(err, syscall.ECONNREFUSED) {
		_ = os.Remove(a.Name) // if that fails, listening fails too and reports it
	}
	return nil
}

// Explain adds advice to an error of listening on the address, which its author wrote as text.
func (a Address) Explain(text string, err error) error {
	hint := "choose another address"
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		hint = "another program listens there, perhaps another webim: stop it, or choose another address"
	case errors.Is(err, errNoSocket):
		hint = "remove it, or choose another path"
	case a.Network == "unix":
		hint = "choose a path in a folder that exists and that this user may write to"
	case errors.Is(err, syscall.EACCES):
		hint = "choose a port from 1024 up, or give the program the capability CAP_NET_BIND_SERVICE (AmbientCapabilities= of systemd, setcap)"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		hint = "this machine does not have that address: choose one that it has"
	}
	var sys syscall.Errno
	if errors.As(err, &sys) {
		err = sys
	}
	return fmt.Errorf("cannot listen on %s: %w; %s", text, err, hint)
}

// Open opens the listeners of s for one address. like has everything else that is to be set for them. inherit returns the descriptor
// of a listening socket that another process has left for a network and an address, and 0 if there is none; nil: there are
// none. Open returns the bound addresses. The error names the remedy.
func Open(s *netpoll.Server, text string, like netpoll.Listener, inherit func(network, addr string) (fd int)) (addrs []net.Addr, err error) {
	a, err := Parse(text)
	if err != nil {
		return nil, err
	}
	if inherit == nil {
		inherit = func(string, string) int { return 0 }
	}
	for i, l := range a.listeners() {
		l.TLS, l.ProxyProtocol, l.Handler, l.HTTP = like.TLS, like.ProxyProtocol, like.Handler, like.HTTP
		if i > 0 && a.AnyPort() { // use the port that the kernel chose for the first listener
			l.Addr = net.JoinHostPort("::1", strconv.Itoa(addrs[0].(*net.TCPAddr).Port))
		}
		if l.FD = inherit(l.Network, l.Addr); l.FD == 0 {
			if err := a.clear(); err != nil {
				return nil, a.Explain(text, err)
			}
		}
		addr, err := s.Listen(l)
		switch {
		case i > 0 && (errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EAFNOSUPPORT)):
			return addrs, nil // this machine has no IPv6
		case err != nil:
			return nil, a.Explain(text, err)
		}
		addrs = append(addrs, addr)
	}
	return addrs, nil
}

// Bind binds a socket to the address for a moment without listening, so that no client is
// accepted. For a Unix socket it only checks the folder, and what has the name, because binding would
// leave a file behind.
func (a Address) Bind() error {
	if a.Network == "unix" {
		if info, err := os.Lstat(a.Name); err == nil && info.Mode().Type() != os.ModeSocket {
			return errNoSocket
		}
		return unix.Access(filepath.Dir(a.Name), unix.W_OK|unix.X_OK)
	}
	addr, err := net.ResolveTCPAddr("tcp", a.listeners()[0].Addr)
	if err != nil {
		return err
	}
	if addr.Zone != "" {
		return nil // the zone needs an interface; not checked
	}
	family := unix.AF_INET6
	var to unix.Sockaddr = &unix.SockaddrInet6{Port: addr.Port, Addr: [16]byte(append(addr.IP.To16(), make([]byte, 16)...)[:16])}
	if ip := addr.IP.To4(); ip != nil {
		family, to = unix.AF_INET, &unix.SockaddrInet4{Port: addr.Port, Addr: [4]byte(ip)}
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	switch {
	case err == unix.EAFNOSUPPORT && addr.IP == nil:
		return nil // the address means all addresses, and those of IPv4 remain
	case err != nil:
		return err
	}
	defer unix.Close(fd)
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return err
	}
	return unix.Bind(fd, to)
}
