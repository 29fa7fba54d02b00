package addrs

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Connections are counted by address, except those of this machine.
func TestAddrs(t *testing.T) {
	a := Table{}
	a.SetProxies([]netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}, false)
	proxy := netip.MustParseAddr("198.51.100.7")
	near, far, next := netip.MustParseAddr("127.0.0.9"), netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")
	for range 20 {
		for _, addr := range []netip.Addr{near, {}, proxy} {
			if _, ok := a.Add(addr, 3, 2); !ok {
				t.Errorf("%v is refused", addr)
			}
		}
	}
	ip, ok1 := a.Add(far, 3, 2)
	_, ok2 := a.Add(far, 3, 2)
	_, ok3 := a.Add(far, 3, 2) // a third handshake
	a.Forget(ip)
	if !ok1 || !ok2 || ok3 {
		t.Errorf("handshakes: %v %v %v", ok1, ok2, ok3)
	}
	a.Opened(ip)
	a.Opened(ip)
	_, ok1 = a.Add(far, 3, 2)
	a.Opened(ip)
	_, ok2 = a.Add(far, 3, 2)
	if _, again := a.Add(far, 3, 2); again { // while the other is sent away
		t.Error("one more connection is accepted")
	}
	a.Remove(ip, false)
	if _, free := a.Add(far, 3, 2); !free {
		t.Error("a refused connection takes the place of one that has ended")
	}
	a.Opened(ip)
	a.Forget(ip)
	a.Forget(ip)
	if !ok1 || ok2 {
		t.Errorf("connections: %v %v", ok1, ok2)
	}
	if other, ok := a.Add(next, 3, 2); !ok || other == ip {
		t.Errorf("another address: %v", ok)
	}
	if !a.TakeSlot(ip, SlotTLS, 1) || a.TakeSlot(ip, SlotTLS, 1) {
		t.Error("an address has not exactly its share of TLS handshakes")
	}
	for range 3 {
		a.Remove(ip, false)
	}
	if got := a.AddrPort(ip, 7); got != netip.AddrPortFrom(far, 7) {
		t.Errorf("while its TLS handshake lasts the address is %v", got)
	}
	if a.GiveSlotBack(ip, SlotTLS); len(a.byAddr) != 5 || a.entries[ip] != (entry{}) {
		t.Errorf("an address that has left is remembered: %v", a.byAddr)
	}
	if again, _ := a.Add(far, 3, 2); again != ip {
		t.Errorf("entry %d is taken, %d is free", again, ip)
	}
}

// The addresses of a /64 are one client; each is still known by itself.
func TestAddrsBlocks(t *testing.T) {
	a := Table{}
	var ips []uint32
	for i, text := range []string{"2001:db8::", "2001:db8::1", "2001:db8::ffff:0:0:2", "2001:db8::1", "2001:db8:0:1::1"} {
		addr := netip.MustParseAddr(text)
		ip, ok := a.Add(addr, 3, 0)
		if ok == (i == 3) {
			t.Errorf("%d: %v: %v", i, addr, ok)
		}
		if got := a.AddrPort(ip, 1).Addr(); got != addr {
			t.Errorf("%v is known as %v", addr, got)
		}
		ips = append(ips, ip)
	}
	if !a.TakeSlot(ips[1], SlotHTTP, 8) || !a.TakeSlot(ips[2], SlotHTTP, 8) || a.TakeSlot(ips[0], SlotHTTP, 8) || !a.TakeSlot(ips[4], SlotHTTP, 8) {
		t.Error("a block has not exactly its share")
	}
	for _, i := range []int{1, 2, 4} {
		a.GiveSlotBack(ips[i], SlotHTTP)
	}
	for i, ip := range ips {
		if i == 3 {
			a.Forget(ip)
		} else {
			a.Remove(ip, true)
		}
	}
	if len(a.byAddr) != 0 || len(a.free) != len(a.entries) {
		t.Errorf("left over: %v", a.byAddr)
	}
	for range 3 {
		if _, ok := a.Add(netip.IPv6Loopback(), 1, 1); !ok {
			t.Error("loopback is refused")
		}
	}
}

// TestAddrsRandom opens and closes connections of several addresses in random order and at the same
// time. Each count equals the number of open connections, and in the end the table is empty.
func TestAddrsRandom(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	a := Table{}
	a.SetProxies([]netip.Prefix{netip.MustParsePrefix("2001:db8:0:1::7/128")}, false)
	var some []netip.Addr
	for i := range 4 {
		some = append(some, netip.MustParseAddr(fmt.Sprint("192.0.2.", i)), netip.MustParseAddr(fmt.Sprint("2001:db8::", i)),
			netip.MustParseAddr(fmt.Sprint("2001:db8:0:1::", i+4)))
	}
	var all sync.WaitGroup
	for worker := range 4 {
		all.Go(func() {
			r := rand.New(rand.NewPCG(seed, uint64(worker)))
			type conn struct {
				ip      uint32
				addr    netip.Addr
				refused bool
				opened  bool
			}
			var conns []conn
			var slots []uint32
			end := func(c conn) {
				if c.refused {
					a.Forget(c.ip)
				} else {
					a.Remove(c.ip, !c.opened)
				}
			}
			for range 3000 {
				switch r.IntN(6) {
				case 0, 1:
					addr := some[r.IntN(len(some))]
					ip, ok := a.Add(addr, 5, 3)
					c := conn{ip: ip, addr: addr, refused: !ok}
					if !c.refused && r.IntN(5) == 0 { // the server is full
						a.Uncount(ip)
						c.refused = true
					}
					conns = append(conns, c)
				case 2:
					if len(conns) > 0 {
						if c := &conns[r.IntN(len(conns))]; !c.refused && !c.opened {
							a.Opened(c.ip)
							c.opened = true
						}
					}
				case 3:
					if len(conns) > 0 {
						if c := conns[r.IntN(len(conns))]; a.TakeSlot(c.ip, SlotHTTP, 8) {
							slots = append(slots, c.ip)
						}
					}
				case 4:
					if k := len(slots); k > 0 {
						a.GiveSlotBack(slots[k-1], SlotHTTP)
						slots = slots[:k-1]
					}
				case 5:
					if len(conns) > 0 {
						i := r.IntN(len(conns))
						if got := a.AddrPort(conns[i].ip, 1).Addr(); got != conns[i].addr {
							t.Errorf("%v is known as %v", conns[i].addr, got)
						}
						end(conns[i])
						conns = slices.Delete(conns, i, i+1)
					}
				}
			}
			for _, c := range conns {
				end(c)
			}
			for _, ip := range slots {
				a.GiveSlotBack(ip, SlotHTTP)
			}
		})
	}
	all.Wait()
	if len(a.byAddr) != 0 || len(a.free) != len(a.entries) {
		t.Errorf("left over: %v, %d of %d entries are free", a.byAddr, len(a.free), len(a.entries))
	}
	for _, e := range a.entries {
		if e != (entry{}) {
			t.Errorf("left over: %+v", e)
		}
	}
}

// Of any lines, the client is the last address that is no proxy's. The test finds it in another way:
// it looks at all elements.
func FuzzForwarded(f *testing.F) {
	for _, seed := range []string{"", ",", "192.0.2.7", "x, 192.0.2.7,10.0.0.1\n10.0.0.2", "[2001:db8::1]:80, 10.1.1.1", "fe80::1%e,\n", "::ffff:10.0.0.1, ::ffff:1.2.3.4\n\n"} {
		f.Add(seed)
	}
	a := &Table{}
	a.SetProxies([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fe80::/10")}, false)
	f.Fuzz(func(t *testing.T, text string) {
		lines := strings.Split(text, "\n")
		got, ok := a.lastUnlisted(lines)
		all := strings.Split(strings.Join(lines, ","), ",")
		var want netip.Addr
		for len(all) > 0 && !want.IsValid() {
			last := all[len(all)-1]
			all = all[:len(all)-1]
			if strings.TrimSpace(last) == "" {
				continue
			}
			addr, good := parseForwarded(strings.TrimSpace(last))
			if !good {
				break
			}
			if !a.Listed(addr) {
				want = addr
			}
		}
		if ok != want.IsValid() || ok && (got != want || got.Zone() != "" || got.Is4In6() || a.Listed(got)) {
			t.Fatalf("%q: %v, %v; want %v", text, got, ok, want)
		}
	})
}
