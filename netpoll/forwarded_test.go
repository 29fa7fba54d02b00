package netpoll_test

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"webim/netpoll"
	"webim/netpoll/wstest"
)

// comesFrom makes a handshake with header lines and returns the status, and where
// the server thinks that it comes from.
func comesFrom(t *testing.T, addr string, seen chan string, lines ...string) (c *wstest.Client, status int, remote string) {
	t.Helper()
	c = wstest.Dial(t, addr)
	head := strings.TrimSuffix(string(wstest.Upgrade()), "\r\n")
	for _, line := range lines {
		head += line + "\r\n"
	}
	if _, err := c.Conn.Write([]byte(head + "\r\n")); err != nil {
		t.Fatal(err)
	}
	status = c.Response().StatusCode
	if status == http.StatusSwitchingProtocols {
		remote = <-seen
	}
	return c, status, remote
}

func seenBy() (netpoll.Handler, chan string) {
	seen := make(chan string, 100)
	return &netpoll.Funcs{OnOpen: func(c netpoll.Conn, r *netpoll.Request) {
		info, _ := c.Info()
		if info.Remote != r.Remote() {
			seen <- "two addresses"
			return
		}
		seen <- r.Remote().Addr().String()
	}}, seen
}

// TestForwarded: whom a listed proxy names is the client, and nobody else.
func TestForwarded(t *testing.T) {
	h, seen := seenBy()
	_, addr := start(t, netpoll.Config{Exempt: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8")}}, h)
	for _, c := range []struct {
		name, want string
		lines      []string
	}{
		{"none", "127.0.0.1", nil},
		{"one", "192.0.2.7", []string{"X-Forwarded-For: 192.0.2.7"}},
		{"a chain", "192.0.2.7", []string{"X-Forwarded-For: 192.0.2.7, 10.0.0.1,10.0.0.2"}},
		{"made up by the client", "192.0.2.7", []string{"X-Forwarded-For: 198.51.100.1, 192.0.2.7"}},
		{"made up as a proxy's", "192.0.2.7", []string{"X-Forwarded-For: 198.51.100.1, 10.0.0.9, 192.0.2.7, 10.0.0.1"}},
		{"two lines", "192.0.2.7", []string{"X-Forwarded-For: 198.51.100.1", "x-forwarded-for: 192.0.2.7"}},
		{"garbage on the left", "192.0.2.7", []string{"X-Forwarded-For: <script>, 192.0.2.7"}},
		{"garbage on the right", "127.0.0.1", []string{"X-Forwarded-For: 192.0.2.7, unknown"}},
		{"empty", "127.0.0.1", []string{"X-Forwarded-For:"}},
		{"only proxies", "127.0.0.1", []string{"X-Forwarded-For: 10.0.0.1, 10.0.0.2"}},
		{"IPv6", "2001:db8::7", []string{"X-Forwarded-For: 2001:db8::7"}},
		{"IPv6 in brackets with a port", "2001:db8::7", []string{"X-Forwarded-For: [2001:db8::7]:1234"}},
		{"with a port", "192.0.2.7", []string{"X-Forwarded-For: 192.0.2.7:1234"}},
		{"IPv4 in IPv6", "192.0.2.7", []string{"X-Forwarded-For: ::ffff:192.0.2.7"}},
		{"IPv4 in IPv6 with a port", "192.0.2.7", []string{"X-Forwarded-For: [::ffff:192.0.2.7]:1234"}},
		{"with a zone", "fe80::1", []string{"X-Forwarded-For: fe80::1%eth0"}},
		{"spaces and tabs", "192.0.2.7", []string{"X-Forwarded-For:\t 198.51.100.1\t,  192.0.2.7 \t"}},
		{"a comma at the end", "192.0.2.7", []string{"X-Forwarded-For: 192.0.2.7,"}},
		{"three lines, of proxies too", "192.0.2.7", []string{"X-Forwarded-For: 198.51.100.1", "X-FORWARDED-FOR: 192.0.2.7, 10.0.0.1", "X-Forwarded-For: 10.0.0.2"}},
		{"a prefix", "127.0.0.1", []string{"X-Forwarded-For: 192.0.2.0/24"}},
		{"a name", "127.0.0.1", []string{"X-Forwarded-For: localhost"}},
		{"a number", "127.0.0.1", []string{"X-Forwarded-For: 3221225991"}},
		{"another header", "127.0.0.1", []string{"X-Real-IP: 192.0.2.7", "Forwarded: for=192.0.2.7"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			cl, status, remote := comesFrom(t, addr, seen, c.lines...)
			if status != http.StatusSwitchingProtocols || remote != c.want {
				t.Errorf("status %d, from %s, want %s", status, remote, c.want)
			}
			cl.Conn.Close()
		})
	}
}

// TestForwardedByAnybody is not believed: loopback is no proxy unless listed.
func TestForwardedByAnybody(t *testing.T) {
	h, seen := seenBy()
	_, addr := start(t, netpoll.Config{Exempt: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}, h)
	cl, _, remote := comesFrom(t, addr, seen, "X-Forwarded-For: 192.0.2.7")
	if remote != "127.0.0.1" {
		t.Errorf("from %s", remote)
	}
	cl.Conn.Close()
}

// TestForwardedIsCounted: a client behind a proxy has the bound of its address,
// the proxy none, and who leaves makes room.
func TestForwardedIsCounted(t *testing.T) {
	h, seen := seenBy()
	_, addr := start(t, netpoll.Config{MaxConnsPerIP: 2, Exempt: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}}, h)
	const from = "X-Forwarded-For: "
	var first *wstest.Client
	for range 2 {
		cl, status, _ := comesFrom(t, addr, seen, from+"192.0.2.7")
		if status != http.StatusSwitchingProtocols {
			t.Fatalf("status %d", status)
		}
		first = cl
	}
	if _, status, _ := comesFrom(t, addr, seen, from+"192.0.2.7"); status != http.StatusServiceUnavailable {
		t.Errorf("the third: status %d", status)
	}
	for _, other := range []string{from + "192.0.2.8", "X-Other: x", "X-Other: x", "X-Other: x"} {
		if _, status, _ := comesFrom(t, addr, seen, other); status != http.StatusSwitchingProtocols {
			t.Errorf("%s: status %d", other, status)
		}
	}
	for _, status := range []int{101, 101, 503} { // the addresses of a /64 are one client
		if _, got, _ := comesFrom(t, addr, seen, fmt.Sprint(from, "2001:db8::", status, ", 127.0.0.1")); got != status {
			t.Errorf("of a /64: status %d, want %d", got, status)
		}
	}
	first.Conn.Close()
	wstest.Eventually(t, "there is room for another", func() bool {
		_, status, _ := comesFrom(t, addr, seen, from+"192.0.2.7")
		return status == http.StatusSwitchingProtocols
	})
}

// TestForwardedAnyWay: the same over TLS, and where the proxy has kept the
// connection of another client's request, which names that one.
func TestForwardedAnyWay(t *testing.T) {
	h, seen := seenBy()
	s, plain := start(t, netpoll.Config{Exempt: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}}, h)
	for _, addr := range []string{plain, secure(t, s)} {
		for _, kept := range []bool{false, true} {
			p := wstest.DialTLS(t, addr, addr != plain)
			if kept {
				p.TrySend([]byte(lines("GET /nothing HTTP/1.1", "Host: localhost", "X-Forwarded-For: 198.51.100.9")))
				if r := p.Response(); r.StatusCode != http.StatusNotFound || r.Close {
					t.Fatalf("%s, close %v", r.Status, r.Close)
				}
			}
			p.TrySend(wstest.Upgrade("X-Forwarded-For: 198.51.100.1", "X-Forwarded-For: 192.0.2.7"))
			if r := p.Response(); r.StatusCode != http.StatusSwitchingProtocols {
				t.Fatal(r.Status)
			}
			if from := receive(t, "open", seen); from != "192.0.2.7" {
				t.Errorf("TLS %v, kept %v: from %s", addr != plain, kept, from)
			}
			p.Conn.Close()
		}
	}
}
