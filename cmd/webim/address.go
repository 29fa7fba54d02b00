package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"

	"webim/netpoll"
)

// An address is an address to listen on: host:port, or unix:/path for a Unix socket.
type address struct {
	network string // for net.Listen
	name    string // host:port or path
}

// parseAddress parses an address. The error says how to write one.
func parseAddress(text string) (address, error) {
	if path, ok := strings.CutPrefix(text, "unix:"); ok {
		if path == "" {
			return address{}, errors.New("unix: has no path: write unix:/run/webim.sock")
		}
		return address{"unix", path}, nil
	}
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		return address{}, errors.New(strconv.Quote(text) + " is not an address: write host:port, as 127.0.0.1:9501, [::1]:9501 or :9501, or unix:/path")
	}
	n, err := strconv.ParseUint(port, 10, 16)
	switch {
	case errors.Is(err, strconv.ErrRange):
		return address{}, errors.New(strconv.Quote(text) + " is out of range: a port is a number from 0 to 65535; 0 takes a free one")
	case err != nil:
		return address{}, errors.New(strconv.Quote(text) + " has no port: write a number from 0 to 65535 behind the colon; 0 takes a free one")
	}
	return address{"tcp", net.JoinHostPort(host, strconv.FormatUint(n, 10))}, nil
}

// local reports whether only this machine can reach the address.
func (a address) local() bool {
	if a.network == "unix" {
		return true
	}
	host, _, _ := net.SplitHostPort(a.name)
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// anyPort reports whether the kernel chooses the port.
func (a address) anyPort() bool { return a.network == "tcp" && strings.HasSuffix(a.name, ":0") }

// listeners returns the listeners for the address. localhost always means 127.0.0.1 and [::1],
// regardless of /etc/hosts, because browsers try one or the other first.
func (a address) listeners() []netpoll.Listener {
	if port, ok := strings.CutPrefix(a.name, "localhost:"); ok && a.network == "tcp" {
		return []netpoll.Listener{{Network: "tcp", Addr: "127.0.0.1:" + port}, {Network: "tcp", Addr: "[::1]:" + port}}
	}
	return []netpoll.Listener{{Network: a.network, Addr: a.name}}
}

// clear removes the file of a Unix socket if no process listens on it: a server that was killed
// leaves its file behind. It never removes anything else; if another kind of file has the name,
// clear returns an error.
func (a address) clear() error {
	if a.network != "unix" {
		return nil
	}
	info, err := os.Lstat(a.name)
	if err != nil {
		return nil // nothing there, or listening will report the error
	}
	if info.Mode().Type() != os.ModeSocket {
		return fmt.Errorf("cannot listen on unix:%s: a file that is not a socket has this name: remove it, or choose another path", a.name)
	}
	if c, err := net.Dial("unix", a.name); err == nil {
		_ = c.Close()
	} else if errors.Is(err, syscall.ECONNREFUSED) {
		_ = os.Remove(a.name) // if that fails, listening fails too and reports it
	}
	return nil
}

// cannotListen adds advice to an error of listening.
func (a address) cannotListen(text string, err error) error {
	hint := "choose another address"
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		hint = "another program listens there, perhaps another webim: stop it, or choose another address"
	case a.network == "unix":
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
