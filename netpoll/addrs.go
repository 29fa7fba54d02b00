package netpoll

import (
	"net/netip"
	"slices"
	"sync"
)

// addrs counts connections by address. A record has the number of its entry
// instead of 24 bytes of address; entries live while they are in use.
//
// What is bounded is counted for a client, not for an address: whoever has one
// address of IPv6 has the 2^64 of its /64. So an entry of IPv6 has a block,
// the entry of its /64, which has the counts.
type addrs struct {
	mu      sync.RWMutex
	byAddr  map[netip.Addr]uint32
	entries []addrEntry
	free    []uint32
	proxies []netip.Prefix // Config.Exempt
	unix    bool           // Config.ExemptUnix
}

type addrEntry struct {
	addr  netip.Addr
	block uint32 // the entry that counts; of IPv4 itself
	refs  int32  // who needs it: connections, places, those of its block

	conns      int32
	handshakes int32 // of conns, those that have not finished their handshake
	places     [numPlaces]int32
}

// place is a kind of what an address may have a share of only.
type place uint8

const (
	placeTLS  place = iota // TLS handshakes that have a goroutine
	placeHTTP              // connections that net/http has
	numPlaces
)

// enter counts a connection in. Or it says with what reason to refuse it, if an
// address has too many; loopback, Unix sockets and proxies may have any number.
// Who is refused is not counted, for it would take the place of others until it is
// gone: its address is only known, until dismissed.
func (a *addrs) enter(addr netip.Addr, maxConns, maxHandshakes int) (ip uint32, refuse refusal) {
	a.mu.Lock()
	defer a.mu.Unlock()
	ip, e := a.knowLocked(addr)
	switch {
	case a.exempt(addr):
	case maxConns > 0 && int(e.conns) >= maxConns, maxHandshakes > 0 && int(e.handshakes) >= maxHandshakes:
		return ip, refusePerIP
	}
	e.conns++
	e.handshakes++
	return ip, ""
}

// refused counts a connection out that is refused for another reason.
func (a *addrs) refused(ip uint32) {
	a.mu.Lock()
	defer a.mu.Unlock()
	e := a.countLocked(ip)
	e.conns--
	e.handshakes--
}

// dismissed ends what is known of a connection that was refused.
func (a *addrs) dismissed(ip uint32) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.dropLocked(ip)
}

func (a *addrs) exempt(addr netip.Addr) bool {
	return !addr.IsValid() || addr.IsLoopback() ||
		slices.ContainsFunc(a.proxies, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// blockOf is the address under which a client is counted.
func (a *addrs) blockOf(addr netip.Addr) netip.Addr {
	if !addr.Is6() || a.exempt(addr) {
		return addr
	}
	return netip.PrefixFrom(addr, 64).Masked().Addr()
}

// knowLocked makes an address known, and returns the entry under which it is counted.
// The caller lets go of ip with dropLocked or one of the methods that call it.
func (a *addrs) knowLocked(addr netip.Addr) (ip uint32, counted *addrEntry) {
	ip = a.entryLocked(addr)
	block := a.entryLocked(a.blockOf(addr))
	a.entries[ip].block = block
	a.holdLocked(ip)
	return ip, &a.entries[block]
}

// entryLocked finds an address's entry, or makes it.
func (a *addrs) entryLocked(addr netip.Addr) (ip uint32) {
	ip, ok := a.byAddr[addr]
	if ok {
		return ip
	}
	if k := len(a.free); k > 0 {
		ip, a.free = a.free[k-1], a.free[:k-1]
	} else {
		ip = uint32(len(a.entries))
		a.entries = append(a.entries, addrEntry{})
	}
	a.entries[ip] = addrEntry{addr: addr, block: ip}
	a.byAddr[addr] = ip
	return ip
}

func (a *addrs) holdLocked(ip uint32) {
	a.entries[ip].refs++
	a.entries[a.entries[ip].block].refs++
}

// dropLocked undoes holdLocked; what nobody needs is forgotten.
func (a *addrs) dropLocked(ip uint32) {
	for _, i := range [...]uint32{a.entries[ip].block, ip} {
		e := &a.entries[i]
		if e.refs--; e.refs == 0 {
			delete(a.byAddr, e.addr)
			*e = addrEntry{}
			a.free = append(a.free, i)
		}
	}
}

// countLocked is where a connection's address is counted.
func (a *addrs) countLocked(ip uint32) *addrEntry { return &a.entries[a.entries[ip].block] }

// opened notes that a connection's handshake is done.
func (a *addrs) opened(ip uint32) {
	a.mu.Lock()
	a.countLocked(ip).handshakes--
	a.mu.Unlock()
}

// leave counts a connection out; handshake: it had not finished it.
func (a *addrs) leave(ip uint32, handshake bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	e := a.countLocked(ip)
	e.conns--
	if handshake {
		e.handshakes--
	}
	a.dropLocked(ip)
}

// take takes one of a number of places, of which an address may have a
// quarter; it reports whether there was one left of that.
func (a *addrs) take(ip uint32, p place, of int) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	e := a.countLocked(ip)
	if int(e.places[p]) >= max(1, of/4) && !a.exempt(e.addr) {
		return false
	}
	e.places[p]++
	a.holdLocked(ip) // the connection may leave before
	return true
}

// takeOf is take for an address that need not have a connection.
func (a *addrs) takeOf(addr netip.Addr, p place, of int) (ip uint32, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	ip, e := a.knowLocked(addr)
	if int(e.places[p]) >= max(1, of/4) && !a.exempt(addr) {
		a.dropLocked(ip)
		return 0, false
	}
	e.places[p]++
	return ip, true
}

// mayTake reports whether take would succeed.
func (a *addrs) mayTake(ip uint32, p place, of int) bool {
	a.mu.RLock()
	defer a.mu.RUnlock()
	e := a.countLocked(ip)
	return int(e.places[p]) < max(1, of/4) || a.exempt(e.addr)
}

// sameClient reports whether two connections are counted under the same address.
func (a *addrs) sameClient(ip, other uint32) bool {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.entries[ip].block == a.entries[other].block
}

// giveBack gives a place back.
func (a *addrs) giveBack(ip uint32, p place) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.countLocked(ip).places[p]--
	a.dropLocked(ip)
}

// addrPort returns a connection's peer.
func (a *addrs) addrPort(ip uint32, port uint16) netip.AddrPort {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return netip.AddrPortFrom(a.entries[ip].addr, port)
}
