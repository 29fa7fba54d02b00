package addrs

import (
	"net/netip"
	"slices"
	"strings"
)

// A connection from a listed proxy belongs to the client that the proxy names, for the limits of an
// address and for the handler. Only listed proxies are believed, and only for their own words: each
// proxy adds the address that it sees at the end of X-Forwarded-For. So a client may have made up
// everything before the last address that is no listed proxy's, and Client does not read it.

// listed are the listed proxies. nil is none.
type listed struct {
	proxies []netip.Prefix
	unix    bool // clients of Unix sockets are listed proxies
}

// has reports whether an address is in the networks of the listed proxies.
func (l *listed) has(addr netip.Addr) bool {
	return l != nil && slices.ContainsFunc(l.proxies, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// SetProxies replaces the list of proxies. With unix, clients of Unix sockets are listed proxies, too. A
// connection that is counted already stays counted as it is.
func (t *Table) SetProxies(proxies []netip.Prefix, unix bool) {
	t.listed.Store(&listed{proxies, unix})
}

// Client returns the client that a peer names in the lines of its X-Forwarded-For header. ok is
// false if the peer is no listed proxy or names no client.
func (t *Table) Client(peer netip.Addr, lines []string) (client netip.Addr, ok bool) {
	if !t.Listed(peer) {
		return netip.Addr{}, false
	}
	return t.lastUnlisted(lines)
}

// Listed reports whether an address is that of a listed proxy. The address of a Unix socket is not
// valid.
func (t *Table) Listed(addr netip.Addr) bool {
	l := t.listed.Load()
	return l != nil && l.unix && !addr.IsValid() || l.has(addr)
}

// lastUnlisted returns the last address of the lines that is not a listed proxy's. ok is false if
// there is none, or if an element before it is no address. Empty elements count as absent (RFC 9110,
// section 5.6.1.2).
func (t *Table) lastUnlisted(lines []string) (client netip.Addr, ok bool) {
	for _, line := range slices.Backward(lines) {
		for line != "" {
			var last string
			if i := strings.LastIndexByte(line, ','); i >= 0 {
				line, last = line[:i], line[i+1:]
			} else {
				line, last = "", line
			}
			if last = strings.TrimSpace(last); last == "" {
				continue
			}
			addr, ok := parseForwarded(last)
			if !ok {
				return netip.Addr{}, false
			}
			if !t.Listed(addr) {
				return addr, true
			}
		}
	}
	return netip.Addr{}, false
}

// parseForwarded reads an address as proxies write it, some with a port.
func parseForwarded(text string) (netip.Addr, bool) {
	addr, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(text, "["), "]"))
	if err != nil {
		var ap netip.AddrPort
		if ap, err = netip.ParseAddrPort(text); err != nil {
			return addr, false
		}
		addr = ap.Addr()
	}
	return addr.Unmap().WithZone(""), true
}
