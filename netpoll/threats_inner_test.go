package netpoll

import (
	"bufio"
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"webim/netpoll/internal/wheel"
	"webim/netpoll/wstest"

	"github.com/gobwas/ws"
)

// Threats whose guards cannot be told apart from each other over a socket.

// A head is looked at once, however its bytes come: what was scanned may as well
// have become something else.
func TestHeadIsScannedOnce(t *testing.T) {
	head := []byte("GET / HTTP/1.1\r\nHost: h\r\nX: " + strings.Repeat("y", 500) + "\r\n\r\n")
	for cut := 2; cut < len(head); cut++ {
		end, pos, n, bad := scanHead(head[:cut], 0, 0, maxHead)
		if end != 0 || bad != nil || pos != cut {
			t.Fatalf("cut at %d: end %d, scanned %d, %v", cut, end, pos, bad)
		}
		b := bytes.Clone(head)
		for i := 1; i < cut-3; i++ { // the last may be half an end of line, or of the head
			b[i] = 0
		}
		if end, _, _, bad := scanHead(b, pos, n, maxHead); end != len(head) || bad != nil {
			t.Fatalf("cut at %d, then: end %d, %v", cut, end, bad)
		}
	}
}

// The connection keeps where its head was scanned to.
func TestHeadKeepsItsPlace(t *testing.T) {
	s := New(Config{}, nil)
	r := s.slab.Get()
	if !s.keepHead(r, []byte("GET / HTTP/1.1\r\nHost"), 20, 1) {
		t.Fatal("refused")
	}
	if in := s.inputs.At(r.input); in.scanned != 20 || in.lines != 1 || string(in.rest) != "GET / HTTP/1.1\r\nHost" {
		t.Errorf("kept: %d, %d, %q", in.scanned, in.lines, in.rest)
	}
	s.freeInput(r)
}

// The bound of all unfinished input is hard, whatever unburdenTurn is about to do.
func TestUnfinishedIsBounded(t *testing.T) {
	s := New(Config{MaxUnfinished: 1000}, nil)
	var one, two input
	if !one.hold(s, 900) || !two.hold(s, 100) {
		t.Error("what fits is refused")
	}
	if two.hold(s, 101) {
		t.Error("a byte over the bound is kept")
	}
	if !two.hold(s, 0) || !one.hold(s, 1000) {
		t.Error("what was given back is not there")
	}
	if one.hold(s, 0); s.unfinished.Load() != 0 {
		t.Errorf("%d bytes are left", s.unfinished.Load())
	}
}

// Whatever comes and goes in whatever order, at the same time, what is counted is
// what is there, and nothing is left in the end.
func TestAddrsRandom(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	a := addrs{byAddr: map[netip.Addr]uint32{}, proxies: []netip.Prefix{netip.MustParsePrefix("2001:db8:0:1::7/128")}}
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
			var places []uint32
			end := func(c conn) {
				if c.refused {
					a.dismissed(c.ip)
				} else {
					a.leave(c.ip, !c.opened)
				}
			}
			for range 3000 {
				switch r.IntN(6) {
				case 0, 1:
					addr := some[r.IntN(len(some))]
					ip, refuse := a.enter(addr, 5, 3)
					c := conn{ip: ip, addr: addr, refused: refuse != ""}
					if !c.refused && r.IntN(5) == 0 { // the server is full
						a.refused(ip)
						c.refused = true
					}
					conns = append(conns, c)
				case 2:
					if len(conns) > 0 {
						if c := &conns[r.IntN(len(conns))]; !c.refused && !c.opened {
							a.opened(c.ip)
							c.opened = true
						}
					}
				case 3:
					if len(conns) > 0 {
						if c := conns[r.IntN(len(conns))]; a.take(c.ip, placeHTTP, 8) {
							places = append(places, c.ip)
						}
					}
				case 4:
					if k := len(places); k > 0 {
						a.giveBack(places[k-1], placeHTTP)
						places = places[:k-1]
					}
				case 5:
					if len(conns) > 0 {
						i := r.IntN(len(conns))
						if got := a.addrPort(conns[i].ip, 1).Addr(); got != conns[i].addr {
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
			for _, ip := range places {
				a.giveBack(ip, placeHTTP)
			}
		})
	}
	all.Wait()
	if len(a.byAddr) != 0 || len(a.free) != len(a.entries) {
		t.Errorf("left over: %v, %d of %d entries are free", a.byAddr, len(a.free), len(a.entries))
	}
	for _, e := range a.entries {
		if e != (addrEntry{}) {
			t.Errorf("left over: %+v", e)
		}
	}
}

// asks sends a request for an upgrade and returns the status of the answer.
func asks(t *testing.T, c net.Conn, headers ...string) int {
	t.Helper()
	fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"+
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s\r\n", strings.Join(append(headers, ""), "\r\n"))
	r, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode
}

// Half-open connections of one address, or of one /64, are few, and so are open
// ones; who is sent away meanwhile, and does not even ask why, takes no place.
func TestThreatHalfOpenOfOneAddress(t *testing.T) {
	for _, of := range [][4]string{{"192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.2"}, {"2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8:0:1::1"}} {
		s := serve(t, Config{MaxHandshakesPerIP: 2, MaxConnsPerIP: 3, HandshakeTimeout: time.Hour}, nil)
		first, second := from(t, s, of[0]), from(t, s, of[1])
		for range 2 { // also when the one before has gone
			c := from(t, s, of[2])
			if got := asks(t, c); got != 503 {
				t.Errorf("%s, the third handshake: %d", of[2], got)
			}
			c.Close()
			wstest.Eventually(t, "it has gone", func() bool { return s.refusing.Load() == 0 })
		}
		if got := asks(t, from(t, s, of[3])); got != 101 {
			t.Errorf("%s, of another: %d", of[3], got)
		}
		from(t, s, of[2]) // sent away, and silent
		if got := asks(t, first); got != 101 {
			t.Errorf("%s, of the first two: %d", of[0], got)
		}
		third := from(t, s, of[2])
		if got := asks(t, third); got != 101 {
			t.Errorf("%s, the third connection: %d", of[2], got)
		}
		if got := asks(t, from(t, s, of[0])); got != 503 {
			t.Errorf("%s, the fourth: %d", of[0], got)
		}
		second.Close()
		wstest.Eventually(t, "it has gone", func() bool { return s.Stats().Closed[HandshakeFailed] == 1 })
		if got := asks(t, from(t, s, of[1])); got != 101 {
			t.Errorf("%s, in its place: %d", of[1], got)
		}
	}
}

// Who is sent away because the server is full takes no place of its address, either.
func TestThreatFullIsNotCounted(t *testing.T) {
	s := serve(t, Config{MaxConns: 2, MaxConnsPerIP: 2}, nil)
	one, two := from(t, s, "192.0.2.1"), from(t, s, "192.0.2.2")
	if a, b := asks(t, one), asks(t, two); a != 101 || b != 101 {
		t.Fatal(a, b)
	}
	away := from(t, s, "192.0.2.1")
	if got := asks(t, away); got != 503 {
		t.Errorf("over the bound of all: %d", got)
	}
	away.Close()
	two.Close()
	wstest.Eventually(t, "both have gone", func() bool { return s.open.Load() == 1 && s.refusing.Load() == 0 })
	if got := asks(t, from(t, s, "192.0.2.1")); got != 101 {
		t.Errorf("the second of its address: %d", got)
	}
}

// Whom a proxy names, and is sent away, is forgotten with the others, as the end of
// the server shows.
func TestThreatForwardedIsForgotten(t *testing.T) {
	s := serve(t, Config{MaxConnsPerIP: 1, Exempt: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}}, nil)
	for i, want := range []int{101, 503, 503, 101} {
		named := []string{"192.0.2.1", "192.0.2.1", "192.0.2.1", "2001:db8::1"}[i]
		if got := asks(t, from(t, s, "198.51.100.7"), "X-Forwarded-For: "+named); got != want {
			t.Errorf("%d, of %s: %d, want %d", i, named, got, want)
		}
	}
}

// A record has no pointer, so that the collector need not look at idle clients.
func TestRecordHasNoPointer(t *testing.T) {
	var look func(t reflect.Type, path string) string
	look = func(t reflect.Type, path string) string {
		switch k := t.Kind(); {
		case k == reflect.Struct:
			for i := range t.NumField() {
				if found := look(t.Field(i).Type, path+"."+t.Field(i).Name); found != "" {
					return found
				}
			}
			return ""
		case k == reflect.Array:
			return look(t.Elem(), path+"[]")
		case k >= reflect.Bool && k <= reflect.Complex128:
			return ""
		}
		return path
	}
	if found := look(reflect.TypeFor[record](), "record"); found != "" {
		t.Errorf("%s is, or has, a pointer", found)
	}
}

// Who was paused is not silent as long as what it said is not read, however late.
func TestPongUnreadIsAPong(t *testing.T) {
	for name, beat := range map[string]uint32{"WebSocket pings": 0, "a heartbeat": fBeat0} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, Config{PingInterval: time.Hour, PongTimeout: time.Second}, nil)
			s.beats = append(s.beats, heart())
			c, end := join(t, s, 0)
			wstest.Eventually(t, "the handshake's turn has ended", func() bool { return c.r.turn.Load() == turnIdle })
			c.Pause()
			end.Write(wstest.Frame(0x8a, ""))
			wstest.Eventually(t, "the pong is there", func() bool { return c.r.flags.Load()&fReadable != 0 && c.r.turn.Load() == turnIdle })
			sent := s.clock.Last.Load() - 1000 // a ping, long ago
			c.r.deadline.Store(sent)
			c.r.seen.Store(sent - 1)
			c.r.flags.Or(fPinged | fTimer | beat)
			c.Resume()
			wstest.Eventually(t, "it is read, and nobody is closed", func() bool { return int32(c.r.seen.Load()-sent) > 0 || !c.Exists() })
			if !c.Exists() {
				t.Error("closed, though it had answered")
			}
		})
	}
}

func heart() beat {
	f, _ := NewFrame(ws.OpText, []byte("{}"))
	return beat{Heartbeat: Heartbeat{Frame: f, Code: 4000}, schedule: wheel.Schedule{Interval: 36000, Timeout: 10, Grain: 1, Fixed: true}}
}

// FuzzForwarded: of any lines, the client is the last that is no proxy's, by a way
// that looks at them all.
func FuzzForwarded(f *testing.F) {
	for _, seed := range []string{"", ",", "192.0.2.7", "x, 192.0.2.7,10.0.0.1\n10.0.0.2", "[2001:db8::1]:80, 10.1.1.1", "fe80::1%e,\n", "::ffff:10.0.0.1, ::ffff:1.2.3.4\n\n"} {
		f.Add(seed)
	}
	a := &addrs{proxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fe80::/10")}}
	f.Fuzz(func(t *testing.T, text string) {
		lines := strings.Split(text, "\n")
		got, ok := a.clientOf(lines)
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
			if !a.listed(addr) {
				want = addr
			}
		}
		if ok != want.IsValid() || ok && (got != want || got.Zone() != "" || got.Is4In6() || a.listed(got)) {
			t.Fatalf("%q: %v, %v; want %v", text, got, ok, want)
		}
	})
}
