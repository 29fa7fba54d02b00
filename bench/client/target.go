package client

import (
	"encoding/binary"
	"net"
	"net/netip"
	"net/url"
	"strings"

	"webim/bench/option"
)

// Target is the server's URL and its resolved address.
type Target struct {
	URL  *url.URL
	Addr netip.AddrPort
	TLS  bool
}

// ParseTarget reads a ws:// or wss:// URL. It resolves a name once, and prefers an IPv4 address.
func ParseTarget(raw string) (Target, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return Target{}, option.Bad("--url %q is not a URL: write it like ws://127.0.0.1:9501/", raw)
	}
	port := map[string]string{"ws": "80", "wss": "443"}[u.Scheme]
	if port == "" || u.Host == "" {
		return Target{}, option.Bad("--url %q: give a URL with ws:// or wss:// and a host, like ws://127.0.0.1:9501/", raw)
	}
	if u.Port() != "" {
		port = u.Port()
	}
	a, err := net.ResolveTCPAddr("tcp4", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		if a, err = net.ResolveTCPAddr("tcp", net.JoinHostPort(u.Hostname(), port)); err != nil {
			return Target{}, option.Bad("--url %q: %v", raw, err)
		}
	}
	ip := a.AddrPort()
	return Target{URL: u, Addr: netip.AddrPortFrom(ip.Addr().Unmap(), ip.Port()), TLS: u.Scheme == "wss"}, nil
}

// path returns the path and the query of the URL, at least "/".
func (t Target) path() string {
	if p := t.URL.RequestURI(); strings.HasPrefix(p, "/") {
		return p
	}
	return "/"
}

// source returns the loopback address from which client i dials; ok is false if the kernel shall choose. The addresses are
// n consecutive ones, beginning first addresses after 127.0.0.2. One address is not enough: it has 28,000 ports, and the
// kernel takes long to find the last free ones.
func (t Target) source(first, i, n int) (addr [4]byte, ok bool) {
	ip := t.Addr.Addr()
	if !ip.Is4() || !ip.IsLoopback() || n <= 0 {
		return addr, false
	}
	binary.BigEndian.PutUint32(addr[:], 0x7f000002+uint32((first+i%n)%(1<<24-4)))
	return addr, true
}
