package netpoll

import (
	"net/netip"
	"slices"
	"strings"
)

// A connection from a listed proxy is its client's: for the bounds of an address,
// and for whoever asks where it comes from. That is believed of listed proxies
// alone, and of what they say themselves: each adds the address that it sees at
// the end of X-Forwarded-For, so what stands before the last one that is no listed
// proxy's is what a client made up, and is not even read.

// forwarded counts the connection under its client's address from here on, if a
// proxy names it; else it stays the proxy's, which has no bound.
func (s *Server) forwarded(r *record, q *Request) *refusedError {
	client, ok := s.addrs.behind(s.addrs.addrPort(r.ip, 0).Addr(), q.all("X-Forwarded-For"))
	if !ok {
		return nil
	}
	ip, refuse := s.addrs.enter(client, s.cfg.MaxConnsPerIP, -1)
	if refuse != "" { // it is the proxy's while it is sent away
		s.addrs.dismissed(ip)
		return refuse.err()
	}
	r.mu.Lock()
	old := r.ip
	r.ip, r.port = ip, 0
	r.mu.Unlock()
	s.addrs.leave(old, true)
	return nil
}

// behind is the client that a peer names, if the peer is a listed proxy and names one.
func (a *addrs) behind(peer netip.Addr, lines []string) (client netip.Addr, ok bool) {
	if !a.listed(peer) {
		return netip.Addr{}, false
	}
	return a.clientOf(lines)
}

// listed reports whether an address is a proxy's; that of a Unix socket is not valid.
func (a *addrs) listed(addr netip.Addr) bool {
	return a.unix && !addr.IsValid() || slices.ContainsFunc(a.proxies, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// clientOf is the last address of the lines that is no listed proxy's. false:
// there is none, or something that is no address stands in its place. Nothing
// between two commas is nothing (RFC 9110, section 5.6.1.2).
func (a *addrs) clientOf(lines []string) (client netip.Addr, ok bool) {
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
			if !a.listed(addr) {
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
