package bench

import (
	"encoding/binary"
	"net"
	"net/netip"
	"net/url"
	"strings"
)

// target is where the clients go.
type target struct {
	url  *url.URL
	addr netip.AddrPort
	tls  bool
}

// parseTarget understands ws:// and wss:// URLs; a name is resolved once, an IPv4 address preferred.
func parseTarget(raw string) (target, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return target{}, badOption("--url %q is not a URL: give one like ws://127.0.0.1:9501/", raw)
	}
	port := map[string]string{"ws": "80", "wss": "443"}[u.Scheme]
	if port == "" || u.Host == "" {
		return target{}, badOption("--url %q: give one that begins with ws:// or wss:// and names a host, like ws://127.0.0.1:9501/", raw)
	}
	if u.Port() != "" {
		port = u.Port()
	}
	a, err := net.ResolveTCPAddr("tcp4", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		if a, err = net.ResolveTCPAddr("tcp", net.JoinHostPort(u.Hostname(), port)); err != nil {
			return target{}, badOption("--url %q: %v", raw, err)
		}
	}
	ip := a.AddrPort()
	return target{url: u, addr: netip.AddrPortFrom(ip.Addr().Unmap(), ip.Port()), tls: u.Scheme == "wss"}, nil
}

// shownURL is the URL for reports, without a password.
func (c Config) shownURL() string {
	if u, err := url.Parse(c.URL); err == nil {
		return u.Redacted()
	}
	return c.URL
}

// path is the room of the URL: never empty.
func (t target) path() string {
	if p := t.url.RequestURI(); strings.HasPrefix(p, "/") {
		return p
	}
	return "/"
}

// source returns the address that client i dials from, and whether one is to be bound: one of n loopback addresses beginning with the first after 127.0.0.2, because
// one address has 28,000 ports at most, and the kernel searches long for the last of them.
func (t target) source(first, i, n int) (addr [4]byte, ok bool) {
	ip := t.addr.Addr()
	if !ip.Is4() || !ip.IsLoopback() || n <= 0 {
		return addr, false
	}
	binary.BigEndian.PutUint32(addr[:], 0x7f000002+uint32((first+i%n)%(1<<24-4)))
	return addr, true
}
