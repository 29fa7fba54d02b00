package client

import (
	"encoding/binary"
	"net"
	"net/netip"
	"net/url"
	"strings"

	"webim/bench/option"
)

// Target is where the clients go.
type Target struct {
	URL  *url.URL
	Addr netip.AddrPort
	TLS  bool
}

// ParseTarget understands ws:// and wss:// URLs; a name is resolved once, an IPv4 address preferred.
func ParseTarget(raw string) (Target, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return Target{}, option.Bad("--url %q is not a URL: give one like ws://127.0.0.1:9501/", raw)
	}
	port := map[string]string{"ws": "80", "wss": "443"}[u.Scheme]
	if port == "" || u.Host == "" {
		return Target{}, option.Bad("--url %q: give one that begins with ws:// or wss:// and names a host, like ws://127.0.0.1:9501/", raw)
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

// path is the room of the URL: never empty.
func (t Target) path() string {
	if p := t.URL.RequestURI(); strings.HasPrefix(p, "/") {
		return p
	}
	return "/"
}

// source returns the address that client i dials from, and whether one is to be bound: one of n loopback addresses beginning with the first after 127.0.0.2, because
// one address has 28,000 ports at most, and the kernel searches long for the last of them.
func (t Target) source(first, i, n int) (addr [4]byte, ok bool) {
	ip := t.Addr.Addr()
	if !ip.Is4() || !ip.IsLoopback() || n <= 0 {
		return addr, false
	}
	binary.BigEndian.PutUint32(addr[:], 0x7f000002+uint32((first+i%n)%(1<<24-4)))
	return addr, true
}
