package netpoll

import (
	"crypto/tls"
	"net"
	"net/netip"
	"testing"
	"time"

	"webim/netpoll/wstest"
)

// change changes the settings of a server.
func change(t *testing.T, s *Server, f func(c *Config)) {
	t.Helper()
	c := s.Config()
	f(&c)
	if err := s.Reconfigure(c); err != nil {
		t.Fatal(err)
	}
}

// The limits of an address, and the addresses that have none, change for its next connection. The ones that
// are there stay, and are counted until they end, as they were: serve looks that no address is left.
func TestReconfigureAddresses(t *testing.T) {
	s := serve(t, Config{MaxConnsPerIP: 2, MaxHandshakesPerIP: 2}, nil)
	var there []net.Conn
	upgrade := func(addr string, want int) {
		t.Helper()
		c := from(t, s, addr)
		if got := statusOf(c, askUpgrade); got != want {
			t.Errorf("an upgrade from %s gets %d, want %d", addr, got, want)
		} else if want == 101 {
			there = append(there, c)
		}
	}
	upgrade("192.0.2.1", 101)
	upgrade("192.0.2.1", 101)
	upgrade("192.0.2.1", 503)
	change(t, s, func(c *Config) { c.MaxConnsPerIP = 3 })
	upgrade("192.0.2.1", 101)
	upgrade("192.0.2.1", 503)
	change(t, s, func(c *Config) { c.MaxConnsPerIP = 1 })
	upgrade("192.0.2.1", 503)
	upgrade("192.0.2.2", 101)
	upgrade("192.0.2.2", 503)

	change(t, s, func(c *Config) {
		c.Exempt = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::1/128")}
	})
	upgrade("192.0.2.1", 101)
	upgrade("2001:db8::1", 101) // by itself
	upgrade("2001:db8::1", 101)
	upgrade("2001:db8::2", 101) // with its /64
	upgrade("2001:db8::3", 503)
	change(t, s, func(c *Config) { c.Exempt = nil })
	upgrade("192.0.2.1", 503)
	upgrade("2001:db8::1", 503)
	upgrade("2001:db8::4", 503)

	change(t, s, func(c *Config) { c.MaxConnsPerIP, c.MaxHandshakesPerIP = 0, 1 })
	from(t, s, "198.51.100.1") // a handshake that does not go on
	wstest.Eventually(t, "it is counted", func() bool { return s.Stats().Handshaking == 1 })
	upgrade("198.51.100.1", 503)
	change(t, s, func(c *Config) { c.MaxHandshakesPerIP = 2 })
	upgrade("198.51.100.1", 101)

	for _, c := range there {
		if _, err := c.Write(wstest.Frame(0x89, "")); err != nil {
			t.Error(err)
		}
		var pong [2]byte
		if _, err := c.Read(pong[:]); err != nil || pong[0] != 0x8a {
			t.Errorf("an open connection gets %x, %v", pong, err)
		}
	}
}

// A header is believed from the time on at which its proxy is listed.
func TestReconfigureForwarded(t *testing.T) {
	seen := make(chan string, 10)
	s := serve(t, Config{}, &Funcs{OnOpen: func(_ Conn, r *Request) { seen <- RemoteText(r.Remote()) }})
	ask := askUpgrade[:len(askUpgrade)-2] + "X-Forwarded-For: 203.0.113.9\r\n\r\n"
	for _, step := range []struct {
		exempt []netip.Prefix
		want   string
	}{
		{nil, "192.0.2.1:1"},
		{[]netip.Prefix{netip.MustParsePrefix("192.0.2.1/32")}, "203.0.113.9"},
		{nil, "192.0.2.1:1"},
	} {
		change(t, s, func(c *Config) { c.Exempt = step.exempt })
		if got := statusOf(from(t, s, "192.0.2.1"), ask); got != 101 {
			t.Fatalf("an upgrade gets %d", got)
		}
		if got := <-seen; got != step.want {
			t.Errorf("with %v listed, the client is %s, want %s", step.exempt, got, step.want)
		}
	}
}

// Slots of net/http: who has one keeps it, and nobody gets one until enough are free.
func TestReconfigureMaxHTTP(t *testing.T) {
	s := serve(t, Config{MaxHTTP: 2, HTTP: endless}, nil)
	var there []net.Conn
	page := func(want int) {
		t.Helper()
		c := from(t, s, "127.0.0.1")
		if got := get(t, c); got != want {
			t.Errorf("a page beside %d gets %d, want %d", len(there), got, want)
		} else if want == 404 {
			there = append(there, c)
		}
	}
	page(404)
	page(404)
	page(503)
	change(t, s, func(c *Config) { c.MaxHTTP = 4 })
	page(404)
	page(404)
	page(503)
	change(t, s, func(c *Config) { c.MaxHTTP = 2 })
	for n := int64(4); n >= 2; n-- {
		page(503)
		there[0].Close()
		there = there[1:]
		wstest.Eventually(t, "one has left", func() bool { return s.Stats().HTTP == n-1 })
	}
	page(404)
}

// More slots for TLS handshakes serve those that wait at once; with fewer, nobody's ends.
func TestReconfigureMaxTLSHandshakes(t *testing.T) {
	s := serve(t, Config{MaxTLSHandshakes: 2, HandshakeTimeout: time.Hour}, nil)
	s.ticks.second = 1 << 20 // none of them ends for others
	at, err := s.Listen(Listener{Addr: "127.0.0.1:0", TLS: &tls.Config{Certificates: []tls.Certificate{selfSigned(t)}}})
	if err != nil {
		t.Fatal(err)
	}
	held := silent(t, at, "127.0.0.2", 2)
	handshakes(t, s, 2, 0)
	done := make(chan error, 1)
	honest := dialFrom(t, at, "127.0.0.3")
	go func() { done <- tls.Client(honest, &tls.Config{InsecureSkipVerify: true}).Handshake() }()
	handshakes(t, s, 2, 1)
	change(t, s, func(c *Config) { c.MaxTLSHandshakes = 3 })
	if err := <-done; err != nil {
		t.Errorf("the client that waited: %v", err)
	}
	handshakes(t, s, 2, 0)
	held = append(held, silent(t, at, "127.0.0.2", 1)...)
	handshakes(t, s, 3, 0)
	change(t, s, func(c *Config) { c.MaxTLSHandshakes = 1 })
	silent(t, at, "127.0.0.4", 1)
	for n := 3; n > 1; n-- {
		handshakes(t, s, n, 1)
		held[0].Close()
		held = held[1:]
	}
	handshakes(t, s, 1, 1)
	held[0].Close()
	handshakes(t, s, 1, 0)
}
