package wstest

import (
	"math/rand/v2"
	"net"
	"net/netip"
	"testing"
)

// FreeAddr returns an address of this machine at which nobody listens, for a program that must be told its port, or that
// starts again at the same one. The kernel itself never gives out this port, so that meanwhile no other test can have it.
func FreeAddr(t testing.TB) netip.AddrPort {
	t.Helper()
	for range 100 {
		const least, most = 10_000, 32_000 // the kernel gives out ports from 32,768 on
		addr := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), least+rand.N(uint16(most-least)))
		if ln, err := net.ListenTCP("tcp4", net.TCPAddrFromAddrPort(addr)); err == nil {
			ln.Close()
			return addr
		}
	}
	t.Fatal("no port is free")
	return netip.AddrPort{}
}
