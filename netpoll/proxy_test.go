package netpoll_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"webim/netpoll"
	"webim/netpoll/wstest"
)

const (
	proxy1 = "PROXY TCP4 192.0.2.7 127.0.0.1 1234 9501\r\n"
	proxy2 = "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x13\xc0\x00\x02\x07\x7f\x00\x00\x01\x04\xd2\x25\x1d\x04\x00\x04abcd"
	// local is a header of a proxy that has no client, as for a health check.
	local = "\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00"
)

// loopback is a proxy.
var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}

// proxied makes a server listen once more, behind proxies that speak the PROXY protocol.
func proxied(t *testing.T, s *netpoll.Server, l netpoll.Listener, secure bool) string {
	t.Helper()
	l.ProxyProtocol = true
	if l.Addr == "" {
		l.Addr = "127.0.0.1:0"
	}
	if secure {
		l.TLS = &tls.Config{Certificates: []tls.Certificate{*certificate(t, "first")}}
	}
	addr, err := s.Listen(l)
	if err != nil {
		t.Fatal(err)
	}
	return addr.String()
}

// upgradeBehind sends a header in pieces of a size, and an upgrade behind it.
func upgradeBehind(t *testing.T, c *wstest.Client, header string, size int, secure bool, lines ...string) int {
	t.Helper()
	c.SendPieces([]byte(header), size)
	if secure {
		if err := c.StartTLS(c.Conn, &tls.Config{InsecureSkipVerify: true}); err != nil {
			t.Fatal(err)
		}
	}
	c.SendBytes(wstest.Upgrade(lines...))
	return c.Response().StatusCode
}

// openedFrom returns a handler that tells with which address and port connections open.
func openedFrom() (netpoll.Handler, chan string) {
	seen := make(chan string, 100)
	return &netpoll.Funcs{OnOpen: func(c netpoll.Conn, r *netpoll.Request) {
		info, _ := c.Info()
		if info.Remote != r.Remote() {
			seen <- "two addresses"
			return
		}
		seen <- netpoll.RemoteText(r.Remote())
	}}, seen
}

// TestProxyProtocol: the client that the header names is the client, however the header arrives.
func TestProxyProtocol(t *testing.T) {
	h, seen := openedFrom()
	s, _ := start(t, netpoll.Config{Exempt: loopback, ExemptUnix: true}, h)
	socket := filepath.Join(t.TempDir(), "s")
	proxied(t, s, netpoll.Listener{Network: "unix", Addr: socket}, false)
	for _, to := range []struct {
		network, addr string
		secure        bool
	}{{"tcp", proxied(t, s, netpoll.Listener{}, false), false}, {"tcp", proxied(t, s, netpoll.Listener{}, true), true}, {"unix", socket, false}} {
		for _, header := range []string{proxy1, proxy2, local} {
			for _, size := range []int{1, 7, 16, len(header)} {
				conn, err := net.Dial(to.network, to.addr)
				if err != nil {
					t.Fatal(err)
				}
				c := wstest.NewClient(t, conn)
				want := "192.0.2.7:1234"
				if header == local {
					want = netpoll.RemoteText(netip.AddrPort{})
					if own, ok := conn.LocalAddr().(*net.TCPAddr); ok {
						want = own.String()
					}
				}
				// Behind such a header, X-Forwarded-For is a text of the client.
				if status := upgradeBehind(t, c, header, size, to.secure, "X-Forwarded-For: 198.51.100.1"); status != http.StatusSwitchingProtocols {
					t.Fatalf("%s, TLS %v, %q in pieces of %d: status %d", to.network, to.secure, header, size, status)
				}
				if got := receive(t, "open", seen); got != want {
					t.Errorf("%s, TLS %v, %q in pieces of %d: from %s, want %s", to.network, to.secure, header, size, got, want)
				}
				c.Conn.Close()
			}
		}
	}
}

// TestProxyProtocolCut splits a header at every byte.
func TestProxyProtocolCut(t *testing.T) {
	h, seen := openedFrom()
	s, _ := start(t, netpoll.Config{Exempt: loopback}, h)
	for _, secure := range []bool{false, true} {
		addr := proxied(t, s, netpoll.Listener{}, secure)
		for cut := range len(proxy2) {
			c := wstest.Dial(t, addr)
			if cut > 0 {
				c.SendBytes([]byte(proxy2[:cut]))
			}
			if status := upgradeBehind(t, c, proxy2[cut:], len(proxy2), secure); status != http.StatusSwitchingProtocols || receive(t, "open", seen) != "192.0.2.7:1234" {
				t.Fatalf("TLS %v, cut at %d: status %d", secure, cut, status)
			}
			c.Conn.Close()
		}
	}
}

// TestProxyProtocolRequests: requests that net/http answers come from that client, too, and an upgrade on a
// connection that was kept alive.
func TestProxyProtocolRequests(t *testing.T) {
	h, seen := openedFrom()
	s, _ := start(t, netpoll.Config{Exempt: loopback, HTTP: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.RemoteAddr) })}, h)
	c := wstest.Dial(t, proxied(t, s, netpoll.Listener{}, false))
	c.SendBytes([]byte(proxy1 + lines("GET /page HTTP/1.1", "Host: localhost", "X-Forwarded-For: 198.51.100.9")))
	b, err := io.ReadAll(c.Response().Body)
	if string(b) != "192.0.2.7:1234" || err != nil {
		t.Errorf("a request comes from %s, %v", b, err)
	}
	c.SendBytes(wstest.Upgrade())
	if status := c.Response().StatusCode; status != http.StatusSwitchingProtocols || receive(t, "open", seen) != "192.0.2.7:1234" {
		t.Errorf("an upgrade behind it: status %d", status)
	}
}

// TestProxyProtocolIsCounted: a client behind a proxy has the limit of its address, over TLS, too, and a client that
// leaves makes room.
func TestProxyProtocolIsCounted(t *testing.T) {
	h, seen := openedFrom()
	s, _ := start(t, netpoll.Config{MaxConnsPerIP: 2, Exempt: loopback}, h)
	for i, addr := range []string{proxied(t, s, netpoll.Listener{}, false), proxied(t, s, netpoll.Listener{}, true)} {
		from := func(client string) int {
			c := wstest.Dial(t, addr)
			status := upgradeBehind(t, c, strings.Replace(proxy1, "192.0.2.7", client, 1), len(proxy1), i > 0)
			if status == http.StatusSwitchingProtocols {
				receive(t, "open", seen)
			} else {
				c.Conn.Close()
			}
			return status
		}
		first := wstest.Dial(t, addr)
		client := fmt.Sprintf("192.0.2.%d", 10+i)
		if status := upgradeBehind(t, first, strings.Replace(proxy1, "192.0.2.7", client, 1), len(proxy1), i > 0); status != http.StatusSwitchingProtocols {
			t.Fatalf("status %d", status)
		}
		receive(t, "open", seen)
		for _, c := range []struct {
			client string
			want   int
		}{{client, 101}, {client, 503}, {client, 503}, {"192.0.2.99", 101}} {
			if status := from(c.client); status != c.want {
				t.Errorf("TLS %v, from %s: status %d, want %d", i > 0, c.client, status, c.want)
			}
		}
		first.Conn.Close()
		wstest.Eventually(t, "there is room for another", func() bool { return from(client) == http.StatusSwitchingProtocols })
		wstest.Eventually(t, "the refused are gone", func() bool { return openConns(s) == i*3+3 })
	}
}

// TestProxyProtocolManyAtTheLimit: of a flood from one client only few are answered, and another client gets in.
func TestProxyProtocolManyAtTheLimit(t *testing.T) {
	h, seen := openedFrom()
	s, _ := start(t, netpoll.Config{MaxConnsPerIP: 1, Exempt: loopback}, h)
	addr := proxied(t, s, netpoll.Listener{}, false)
	for range 200 {
		wstest.Dial(t, addr).SendBytes([]byte(proxy1))
	}
	wstest.Eventually(t, "the others are ended", func() bool {
		stats := s.Stats()
		return stats.Refused["server full, closed unanswered"]+stats.Closed[netpoll.HandshakeTimeout] > 150
	})
	c := wstest.Dial(t, addr)
	if status := upgradeBehind(t, c, strings.Replace(proxy1, "192.0.2.7", "192.0.2.8", 1), len(proxy1), false); status != http.StatusSwitchingProtocols {
		t.Errorf("another client: status %d", status)
	}
	receive(t, "open", seen)
}

// TestProxyProtocolRefuses: a listed proxy must send a whole header, and nobody else may. Each refusal is in the log.
func TestProxyProtocolRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		exempt []netip.Prefix
		send   string
		want   string // in the answer
		logged string
	}{
		"none from a proxy":        {loopback, string(wstest.Upgrade()), "must come first", "no header came"},
		"a wrong one":              {loopback, "PROXY TCP4 here there 1 2\r\n", "must come first", "address"},
		"a long one":               {loopback, local[:14] + "\xff\xff", "must come first", "2048 bytes"},
		"a line without end":       {loopback, "PROXY UNKNOWN " + strings.Repeat("x", 200), "must come first", "107 bytes"},
		"from others than proxies": {nil, proxy1 + string(wstest.Upgrade()), "only on addresses that are set to it, from listed proxies", "--proxy-protocol"},
	} {
		for _, secure := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", TLS ", secure), func(t *testing.T) {
				var log wstest.Log
				s, _ := start(t, netpoll.Config{Exempt: c.exempt, Logger: slog.New(slog.NewTextHandler(&log, nil))}, echo())
				addr := proxied(t, s, netpoll.Listener{}, secure)
				for range 3 {
					client := wstest.Dial(t, addr)
					client.SendBytes([]byte(c.send))
					b, _ := io.ReadAll(client.Conn)
					if !strings.Contains(string(b), c.want) {
						t.Errorf("the answer is %q", b)
					}
					client.Conn.Close()
				}
				if text := log.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, "PROXY protocol") || !strings.Contains(text, c.logged) {
					t.Errorf("the log has %q", text)
				}
				if n := s.Stats().Refused["PROXY protocol"]; n != 3 {
					t.Errorf("%d are counted", n)
				}
			})
		}
	}
}

// TestProxyProtocolDirect: who is no listed proxy connects without a header.
func TestProxyProtocolDirect(t *testing.T) {
	h, seen := openedFrom()
	s, _ := start(t, netpoll.Config{}, h)
	for _, secure := range []bool{false, true} {
		c := wstest.DialTLS(t, proxied(t, s, netpoll.Listener{}, secure), secure)
		if c.SendBytes(wstest.Upgrade()); c.Response().StatusCode != http.StatusSwitchingProtocols || !strings.HasPrefix(receive(t, "open", seen), "127.0.0.1:") {
			t.Errorf("TLS %v: it does not open", secure)
		}
		c.Conn.Close()
	}
}

// TestProxyProtocolSlow: a header that does not come ends the connection at the deadline of the handshake, and half a
// header with the end of its stream at once.
func TestProxyProtocolSlow(t *testing.T) {
	for _, hangUp := range []bool{false, true} {
		timeout, cause := 300*time.Millisecond, netpoll.HandshakeTimeout
		if hangUp {
			timeout, cause = time.Hour, netpoll.HandshakeFailed
		}
		s, _ := start(t, netpoll.Config{Exempt: loopback, HandshakeTimeout: timeout}, echo())
		for _, secure := range []bool{false, true} {
			addr := proxied(t, s, netpoll.Listener{}, secure)
			for _, part := range []string{"", proxy1[:1], proxy1[:len(proxy1)-1], proxy2[:20], proxy1} {
				c := wstest.Dial(t, addr)
				c.SendBytes([]byte(part))
				if hangUp {
					c.TCP().CloseWrite()
				}
				untilClosed(t, c)
			}
		}
		wstest.Eventually(t, "all are counted", func() bool { return s.Stats().Closed[cause] == 10 })
		s.Close()
	}
}

// untilClosed waits for the end of a connection, or its reset.
func untilClosed(t *testing.T, c *wstest.Client) {
	t.Helper()
	c.ResetDeadline()
	if _, err := io.Copy(io.Discard, c.Conn); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the connection is not closed")
	}
	c.Conn.Close()
}
