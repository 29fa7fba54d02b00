package netpoll

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"webim/netpoll/wstest"
)

// statusOf writes a request and returns the status, or 0 if the connection ends without an
// answer.
func statusOf(c net.Conn, request string) int {
	fmt.Fprint(c, request)
	r, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0
	}
	return r.StatusCode
}

const (
	askPage    = "GET / HTTP/1.1\r\nHost: h\r\n\r\n"
	askUpgrade = "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)

// ended waits until the server ends a connection.
func ended(t *testing.T, c net.Conn) {
	t.Helper()
	if _, err := io.Copy(io.Discard, c); err != nil && !strings.Contains(err.Error(), "reset") {
		t.Errorf("the server does not end it: %v", err)
	}
}

// Connections that say nothing, from loopback, which has no bound, keep nobody out: the
// oldest gives its place. One that is open never does.
func TestSilentSocketsGiveTheirPlaces(t *testing.T) {
	s := serve(t, Config{MaxConns: 8}, nil)
	open := from(t, s, "127.0.0.1")
	if status := statusOf(open, askUpgrade); status != 101 {
		t.Fatalf("the first gets %d", status)
	}
	var silent []net.Conn
	for range 100 {
		silent = append(silent, from(t, s, "127.0.0.1"))
	}
	if n := s.clients(); n > 8 {
		t.Errorf("%d connections have places, of 8", n)
	}
	ended(t, silent[0])
	wstest.Eventually(t, "those that give way have left", func() bool { return s.refusing.Load() == 0 })
	if status := statusOf(from(t, s, "127.0.0.1"), askUpgrade); status != 101 {
		t.Errorf("among silent ones an upgrade gets %d", status)
	}
	if status := statusOf(from(t, s, "192.0.2.1"), askPage); status != 404 {
		t.Errorf("among silent ones a page gets %d", status)
	}
	if _, err := open.Write([]byte{0x89, 0x80, 0, 0, 0, 0}); err != nil {
		t.Error(err)
	}
	var pong [2]byte
	if _, err := io.ReadFull(open, pong[:]); err != nil || pong[0] != 0x8a {
		t.Errorf("the open one gets %x, %v", pong, err)
	}
}

// A few handshakes in a server that is full of open connections have a moment, however
// many come.
func TestFewHandshakesKeepTheirPlaces(t *testing.T) {
	s := serve(t, Config{MaxConns: 8}, nil)
	s.ticks.second = 1 << 20 // the moment does not pass
	for range 7 {
		if status := statusOf(from(t, s, "127.0.0.1"), askUpgrade); status != 101 {
			t.Fatalf("an upgrade gets %d", status)
		}
	}
	slow := from(t, s, "127.0.0.1")
	for range 10 {
		if status := statusOf(from(t, s, "127.0.0.1"), askUpgrade); status != 503 {
			t.Errorf("one that comes to a full server gets %d", status)
		}
	}
	if status := statusOf(slow, askUpgrade); status != 101 {
		t.Errorf("the handshake that was there before gets %d", status)
	}
}

// HTTP connections that are idle give their places to WebSockets, too.
func TestIdleHTTPGivesWayToUpgrades(t *testing.T) {
	s := serve(t, Config{MaxConns: 8}, nil)
	for range 8 {
		if status := statusOf(from(t, s, "127.0.0.1"), askPage); status != 404 {
			t.Fatalf("a page gets %d", status)
		}
	}
	wstest.Eventually(t, "all are idle", func() bool {
		_, waiting := s.httpConns.Len()
		return waiting == 8
	})
	for range 8 {
		if status := statusOf(from(t, s, "127.0.0.1"), askUpgrade); status != 101 {
			t.Errorf("an upgrade gets %d", status)
		}
	}
	if status := statusOf(from(t, s, "127.0.0.1"), askUpgrade); status != 503 {
		t.Errorf("one too many gets %d", status)
	}
}

// Silent connections over the limit take no answer from those that ask.
func TestSilentRefusedGiveTheirPlaces(t *testing.T) {
	health := func(path string) (int, string) {
		if path != "/health" {
			return 0, ""
		}
		return http.StatusOK, "ok"
	}
	s := serve(t, Config{MaxConns: 1, Health: health}, nil)
	if status := statusOf(from(t, s, "127.0.0.1"), askUpgrade); status != 101 {
		t.Fatalf("the first gets %d", status)
	}
	for range 3 * maxRefusals {
		from(t, s, "127.0.0.1")
		wstest.Eventually(t, "some have left", func() bool { return s.refusing.Load() <= maxRefusals })
	}
	for _, tt := range []struct {
		request string
		status  int
	}{{"GET /health HTTP/1.1\r\nHost: h\r\n\r\n", 200}, {askPage, 503}, {askUpgrade, 503}} {
		if status := statusOf(from(t, s, "127.0.0.1"), tt.request); status != tt.status {
			t.Errorf("%.20q gets %d, want %d", tt.request, status, tt.status)
		}
	}
	if n := s.refusing.Load(); n > maxRefusals+maxLeaving {
		t.Errorf("%d are being refused", n)
	}
}

// Of the places with net/http one that comes for its own share ends its own idle
// connection, and nobody else's.
func TestShareEndsOwnIdle(t *testing.T) {
	s := serve(t, Config{MaxHTTP: 8}, nil)
	other := from(t, s, "192.0.2.1")
	statusOf(other, askPage)
	first := from(t, s, "192.0.2.2")
	for i := range 10 {
		c := first
		if i > 0 {
			c = from(t, s, "192.0.2.2")
		}
		if status := statusOf(c, askPage); status != 404 {
			t.Errorf("%d gets %d", i, status)
		}
		wstest.Eventually(t, "it is idle", func() bool {
			all, waiting := s.httpConns.Len()
			return waiting == all
		})
	}
	ended(t, first)
	if status := statusOf(other, askPage); status != 404 {
		t.Errorf("the idle connection of another address gets %d", status)
	}
}

// A client that does not send the rest of its request, or does not take the answer,
// gives its place as well. One whose handler works does not.
func TestStalledHTTPGivesItsPlace(t *testing.T) {
	working, release := make(chan bool, 9), make(chan bool)
	s := serve(t, Config{MaxHTTP: 3, HTTP: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/work":
			working <- true
			<-release
		case "/large":
			b := make([]byte, 1<<20)
			for range 100 {
				if _, err := w.Write(b); err != nil {
					return
				}
			}
		}
	})}, nil)
	s.httpConns.Stall = 0
	work, body, large := from(t, s, "127.0.0.1"), from(t, s, "127.0.0.1"), from(t, s, "127.0.0.1")
	fmt.Fprint(work, "GET /work HTTP/1.1\r\nHost: h\r\n\r\n")
	<-working
	fmt.Fprint(body, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nx")
	fmt.Fprint(large, "GET /large HTTP/1.1\r\nHost: h\r\n\r\n")
	wstest.Eventually(t, "all have places, and the two are stalled", func() bool {
		all, waiting := s.httpConns.Len()
		return all == 3 && waiting == 2
	})
	for range 2 {
		c := from(t, s, "127.0.0.1")
		fmt.Fprint(c, "GET /work HTTP/1.1\r\nHost: h\r\n\r\n")
		<-working
	}
	ended(t, body)
	ended(t, large)
	if status := statusOf(from(t, s, "127.0.0.1"), askPage); status != 503 {
		t.Errorf("while handlers have all places one gets %d", status)
	}
	close(release)
}

// Requests that come through a proxy count for the clients that it names.
func TestHTTPShareBehindAProxy(t *testing.T) {
	s := serve(t, Config{MaxHTTP: 8, HTTP: endless, Exempt: []netip.Prefix{netip.MustParsePrefix("192.0.2.9/32")}}, nil)
	for i, tt := range []struct {
		client string
		status int
	}{
		{"198.51.100.1", 404}, {"198.51.100.1", 404}, {"198.51.100.1", 503}, {"203.0.113.1, 198.51.100.1", 503},
		{"2001:db8::1", 404}, {"2001:db8::2", 404}, {"2001:db8::3", 503}, {"198.51.100.2", 404}, {"192.0.2.9", 404},
	} {
		c := from(t, s, "192.0.2.9")
		if status := statusOf(c, "GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: "+tt.client+"\r\n\r\n"); status != tt.status {
			t.Errorf("%d: %s gets %d, want %d", i, tt.client, status, tt.status)
		}
		if tt.status == 503 {
			c.Close()
		}
	}
}
