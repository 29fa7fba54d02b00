package netpoll

import (
	"errors"
	"net/netip"
	"testing"

	"webim/netpoll/wstest"

	"github.com/gobwas/ws"
)

// A record is used again at once; a handle to who had it reaches nobody.
func TestStaleHandle(t *testing.T) {
	messages := make(chan string, 10)
	s := serve(t, Config{Workers: 1}, &Funcs{OnMessage: func(_ Conn, _ ws.OpCode, data []byte) { messages <- string(data) }})
	old, end := join(t, s, 0)
	held := old.Later()
	old.Close(1000, "") // while it is held nobody would see its end
	end.Close()
	wstest.Eventually(t, "the first connection ends", func() bool { return s.slab.At(old.r.index).gen.Load() != old.gen && s.stats.open.Load() == 0 })
	c, end := join(t, s, 0)
	if c.r != old.r || c.ID() == old.ID() {
		t.Fatalf("the second connection has record %d, the first had %d; ids %x, %x", c.r.index, old.r.index, c.ID(), old.ID())
	}
	c.SetData("mine")
	c.SetTag(7)
	done := c.Later()
	frame1, _ := NewFrame(ws.OpText, []byte("stray"))
	log := s.NewLog(Plain)
	log.Append(ws.OpText, []byte("stray"))
	for what, err := range map[string]error{
		"Push": old.Push(ws.OpText, []byte("stray")), "PushFrame": old.PushFrame(frame1), "Ping": old.Ping(nil),
		"Close": old.Close(1000, ""), "Offer": s.Offer(old.ID(), log.Next(0)),
	} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%s on a stale handle: %v", what, err)
		}
	}
	if _, ok := s.Conn(old.ID()); ok {
		t.Error("the old id is found")
	}
	if again, ok := s.Conn(c.ID()); !ok || again != c {
		t.Error("the new id is not found")
	}
	if _, ok := old.Info(); ok || old.Exists() || old.SetTag(1) || old.Tag() != 0 || old.SetData(1) || old.Data() != nil || old.FD() != -1 {
		t.Error("a stale handle answers")
	}
	old.Pause()
	old.Protect(true)
	old.Later()
	held() // must not let the second one go
	if f := c.r.flags.Load(); f&(fPaused|fProtected|fHeld) != fHeld {
		t.Errorf("a stale handle has changed the flags to %b", f)
	}
	done()
	if c.Data() != "mine" || c.Tag() != 7 || !c.Exists() {
		t.Error("a stale handle has touched the new connection")
	}
	end.Write(wstest.Frame(0x81, "hello"))
	if got := <-messages; got != "hello" {
		t.Errorf("the new connection says %q", got)
	}
	if err := c.Push(ws.OpText, []byte("mine")); err != nil {
		t.Error(err)
	}
	if got := nextFrame(t, end); string(got) != "\x81\x04mine" {
		t.Errorf("the new connection's client gets %q", got)
	}
}

// Connections are counted by address, but for those of this machine.
func TestAddrs(t *testing.T) {
	a := addrs{byAddr: map[netip.Addr]uint32{}, proxies: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}}
	proxy := netip.MustParseAddr("198.51.100.7")
	near, far, next := netip.MustParseAddr("127.0.0.9"), netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")
	for range 20 {
		for _, addr := range []netip.Addr{near, {}, proxy} {
			if _, refuse := a.enter(addr, 3, 2); refuse != "" {
				t.Errorf("%v is refused: %s", addr, refuse)
			}
		}
	}
	ip, refuse1 := a.enter(far, 3, 2)
	_, refuse2 := a.enter(far, 3, 2)
	_, refuse3 := a.enter(far, 3, 2) // a third handshake
	a.dismissed(ip)
	if refuse1 != "" || refuse2 != "" || refuse3 != refusePerIP {
		t.Errorf("handshakes: %q %q %q", refuse1, refuse2, refuse3)
	}
	a.opened(ip)
	a.opened(ip)
	_, refuse1 = a.enter(far, 3, 2)
	a.opened(ip)
	_, refuse2 = a.enter(far, 3, 2)
	if _, again := a.enter(far, 3, 2); again != refusePerIP { // while the other is sent away
		t.Errorf("one more connection: %q", again)
	}
	a.leave(ip, false)
	if _, free := a.enter(far, 3, 2); free != "" {
		t.Errorf("who is sent away takes the place of who has left: %q", free)
	}
	a.opened(ip)
	a.dismissed(ip)
	a.dismissed(ip)
	if refuse1 != "" || refuse2 != refusePerIP {
		t.Errorf("connections: %q %q", refuse1, refuse2)
	}
	if other, refuse := a.enter(next, 3, 2); refuse != "" || other == ip {
		t.Errorf("another address: %q", refuse)
	}
	if !a.take(ip, placeTLS, 1) || a.take(ip, placeTLS, 1) {
		t.Error("an address has not exactly its share of TLS handshakes")
	}
	for range 3 {
		a.leave(ip, false)
	}
	if got := a.addrPort(ip, 7); got != netip.AddrPortFrom(far, 7) {
		t.Errorf("while its TLS handshake lasts the address is %v", got)
	}
	if a.giveBack(ip, placeTLS); len(a.byAddr) != 5 || a.entries[ip] != (addrEntry{}) {
		t.Errorf("an address that has left is remembered: %v", a.byAddr)
	}
	if again, _ := a.enter(far, 3, 2); again != ip {
		t.Errorf("entry %d is taken, %d is free", again, ip)
	}
}

// The addresses of a /64 are one client; each is still known as itself.
func TestAddrsBlocks(t *testing.T) {
	a := addrs{byAddr: map[netip.Addr]uint32{}}
	var ips []uint32
	for i, text := range []string{"2001:db8::", "2001:db8::1", "2001:db8::ffff:0:0:2", "2001:db8::1", "2001:db8:0:1::1"} {
		addr := netip.MustParseAddr(text)
		ip, refuse := a.enter(addr, 3, 0)
		if (refuse != "") != (i == 3) {
			t.Errorf("%d: %v: refused %q", i, addr, refuse)
		}
		if got := a.addrPort(ip, 1).Addr(); got != addr {
			t.Errorf("%v is known as %v", addr, got)
		}
		ips = append(ips, ip)
	}
	if !a.take(ips[1], placeHTTP, 8) || !a.take(ips[2], placeHTTP, 8) || a.take(ips[0], placeHTTP, 8) || !a.take(ips[4], placeHTTP, 8) {
		t.Error("a block has not exactly its share")
	}
	for _, i := range []int{1, 2, 4} {
		a.giveBack(ips[i], placeHTTP)
	}
	for i, ip := range ips {
		if i == 3 {
			a.dismissed(ip)
		} else {
			a.leave(ip, true)
		}
	}
	if len(a.byAddr) != 0 || len(a.free) != len(a.entries) {
		t.Errorf("left over: %v", a.byAddr)
	}
	for range 3 {
		if _, refuse := a.enter(netip.IPv6Loopback(), 1, 1); refuse != "" {
			t.Errorf("loopback: refused %q", refuse)
		}
	}
}
