package netpoll

import (
	"bufio"
	"bytes"
	"net/http"
	"strings"
	"testing"
)

// scanned feeds a head to scanHead in pieces of a size; 0: whole.
func scanned(b []byte, piece int) (end int, bad *refusedError) {
	if piece == 0 {
		piece = max(1, len(b))
	}
	pos, lines := 0, 0
	for n := 0; n < len(b) && end == 0 && bad == nil; {
		n = min(n+piece, len(b))
		end, pos, lines, bad = scanHead(b[:n], pos, lines, maxHead)
	}
	return end, bad
}

// FuzzHandshake: however a head arrives, it is judged alike; and what is
// accepted as an upgrade, net/http reads as the same request.
func FuzzHandshake(f *testing.F) {
	const good = "GET /room?x=1 HTTP/1.1\r\nHost: example.org\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	for _, more := range []string{"", "Origin: http://example.org\r\n", "Origin: null\r\n", "Sec-WebSocket-Protocol: a, b\r\n",
		"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits, x;y=\"z\"\r\n", "Host: other\r\n", " folded\r\n", "X: a\nY: b\r\n",
		"Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n", strings.Repeat("X: y\r\n", 64), "X: " + strings.Repeat("y", maxHead) + "\r\n"} {
		f.Add([]byte(good + more + "\r\n"))
		f.Add([]byte(good + more + "\r\n\x81\x80\x00\x00\x00\x00"))
	}
	for _, s := range []string{"", "\r\n\r\n", "GET", "GET / HTTP/1.0\r\n\r\n", "POST / HTTP/1.1\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\x16\x03\x01\x00\x05"} {
		f.Add([]byte(s))
	}
	s := New(Config{Subprotocols: []string{"b"}, CheckOrigin: AnyOrigin}, nil)
	s.lns.Store(&[]*listener{{Listener: Listener{Handler: s.handler}}})
	s.addrs.entries = make([]addrEntry, 1)
	f.Fuzz(func(t *testing.T, b []byte) {
		end, bad := scanned(b, 0)
		for _, piece := range []int{1, 2, 7} {
			if e, w := scanned(b, piece); e != end || w != bad {
				t.Fatalf("whole: %d %v; in pieces of %d: %d %v", end, bad, piece, e, w)
			}
		}
		if bad != nil || end == 0 {
			return
		}
		var q Request
		q.reset(s, new(record))
		if q.parse(b[:end]) != nil || !q.isUpgrade() || q.check() != nil {
			return
		}
		answer, _, refused := s.negotiate(&q, nil)
		if refused != nil {
			return
		}
		r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(b[:end])))
		if err != nil {
			// net/http judges URLs and header values more narrowly in places; Path says so too.
			if _, ok := q.Path(); ok && !strings.Contains(err.Error(), "malformed") {
				t.Fatalf("net/http refuses what was accepted: %v\n%q", err, b[:end])
			}
			return
		}
		if path, ok := q.Path(); ok && path != max(r.URL.Path, "/") || r.Host != "" && r.URL.Host == "" && r.Host != q.Host() {
			t.Fatalf("path %q, host %q; net/http: %q, %q", path, q.Host(), r.URL.Path, r.Host)
		}
		if res, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(answer)), r); err != nil || res.StatusCode != 101 {
			t.Fatalf("the answer is not a 101: %v\n%q", err, answer)
		}
	})
}

func TestParseOrigin(t *testing.T) {
	for origin, want := range map[string]string{
		"https://h": "https h:443", "http://h": "http h:80", "https://H:8443": "https h:8443", "HTTPS://h:443": "https h:443", "http://[::1]": "http [::1]:80", "http://[::1]:81": "http [::1]:81",
		"": "", "null": "", "h": "", "file://h": "", "https://": "", "https://h/": "", "https://h?x": "", "https://h#x": "", "https://u@h": "", "https://h:": "", "https://:443": "", "http://::1": "", "http://[h": "", "https://a,b": "",
	} {
		scheme, host, ok := ParseOrigin(origin)
		if got := strings.TrimSpace(scheme + " " + host); got != want || ok != (want != "") {
			t.Errorf("%q: %q, %v; want %q", origin, got, ok, want)
		}
	}
}
