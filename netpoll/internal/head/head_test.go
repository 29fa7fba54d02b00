package head

import (
	"bufio"
	"bytes"
	"cmp"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/gobwas/httphead"
	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsflate"
)

// limit is the length of the longest head in these tests.
const limit = 16 << 10

// scanned feeds a head to Scan in pieces of a size; 0: whole.
func scanned(b []byte, piece int) (end int, bad *Error) {
	if piece == 0 {
		piece = max(1, len(b))
	}
	pos, lines := 0, 0
	for n := 0; n < len(b) && end == 0 && bad == nil; {
		n = min(n+piece, len(b))
		end, pos, lines, bad = Scan(b[:n], pos, lines, limit)
	}
	return end, bad
}

// However a head arrives, the result is the same; and a head that is accepted as an upgrade is the
// same request for net/http.
func FuzzHandshake(f *testing.F) {
	const good = "GET /room?x=1 HTTP/1.1\r\nHost: example.org\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	for _, more := range []string{"", "Origin: http://example.org\r\n", "Origin: null\r\n", "Sec-WebSocket-Protocol: a, b\r\n",
		"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits, x;y=\"z\"\r\n", "Host: other\r\n", " folded\r\n", "X: a\nY: b\r\n",
		"Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n", "Sec-WebSocket-Extensions: x;y, permessage-deflate; server_max_window_bits=9, permessage-deflate\r\nSec-WebSocket-Protocol: c,\r\nSec-WebSocket-Protocol: \"b\r\n", "Sec-WebSocket-Protocol: a,, b\r\nSec-WebSocket-Extensions: a=b\r\n",
		"Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=08; server_max_window_bits=9, permessage-deflate; a; b; c; d; e\r\n", strings.Repeat("X: y\r\n", 64), "X: " + strings.Repeat("y", limit) + "\r\n"} {
		f.Add([]byte(good + more + "\r\n"))
		f.Add([]byte(good + more + "\r\n\x81\x80\x00\x00\x00\x00"))
	}
	for _, s := range []string{"", "\r\n\r\n", "GET", "GET / HTTP/1.0\r\n\r\n", "POST / HTTP/1.1\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\x16\x03\x01\x00\x05"} {
		f.Add([]byte(s))
	}
	protocols := []string{"b"}
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
		var h Head
		if h.Parse(b[:end]) != nil || !h.IsUpgrade() || h.CheckUpgrade() != nil {
			return
		}
		answer, _, _, refused := h.Negotiate(Offer{Subprotocols: protocols}, nil)
		if want, err := upgraded(protocols, &h); (err != nil) != (refused != nil) || refused == nil && string(answer) != want {
			t.Fatalf("%v, %q; gobwas' Upgrader: %v, %q", refused, answer, err, want)
		}
		if refused != nil {
			return
		}
		r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(b[:end])))
		if err != nil {
			// net/http judges URLs and header values more narrowly in places; Path says so too.
			if _, ok := Path(h.URI); ok && !strings.Contains(err.Error(), "malformed") {
				t.Fatalf("net/http refuses what was accepted: %v\n%q", err, b[:end])
			}
			return
		}
		if host, _ := h.Get("Host"); r.Host != "" && r.URL.Host == "" && r.Host != string(host) {
			t.Fatalf("host %q; net/http: %q", host, r.Host)
		}
		if path, ok := Path(h.URI); ok && path != cmp.Or(r.URL.Path, "/") {
			t.Fatalf("path %q; net/http: %q", path, r.URL.Path)
		}
		if res, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(answer)), r); err != nil || res.StatusCode != 101 {
			t.Fatalf("the answer is not a 101: %v\n%q", err, answer)
		}
	})
}

// upgraded is the answer of gobwas' Upgrader to the offers of a request.
func upgraded(protocols []string, h *Head) (answer string, err error) {
	key, _ := h.Get("Sec-WebSocket-Key")
	asked := "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + string(key) + "\r\n"
	for _, name := range []string{"Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions"} {
		for _, value := range h.All(name) {
			if value = string(h.elements([]byte(value))); value != "" {
				asked += name + ": " + value + "\r\n"
			}
		}
	}
	var ext Extension
	var out bytes.Buffer
	u := ws.Upgrader{
		Protocol: func(p []byte) bool { return slices.Contains(protocols, string(p)) },
		Negotiate: func(o httphead.Option) (answer httphead.Option, err error) {
			before := ext
			if ext.consider(o); before.Deflate || !ext.Deflate {
				return answer, nil
			}
			return wsflate.Parameters{ServerNoContextTakeover: true, ClientNoContextTakeover: true, ServerMaxWindowBits: ext.bits}.Option(), nil
		},
	}
	_, err = u.Upgrade(struct {
		io.Reader
		io.Writer
	}{strings.NewReader(asked + "\r\n"), &out})
	return out.String(), err
}

// A path in characters that stand for themselves is the path that net/url reads.
func TestPlainPath(t *testing.T) {
	for _, uri := range []string{"/", "//", "/room", "/a/b/", "/./a/../b", "//host/a", "/room?x=1", "/room?", "/?", "/?a?b", "/?a=/b", "/a-b_c.d~e", "/a=b&c", "/%41", "/a%2fb", "/%zz", "/ä", "/a:b", "*", "room", "/a;b",
		"/a+b", "http://h/room", "/a#b", "/a\tb", "/\\"} {
		path, ok := Path([]byte(uri))
		if u, err := url.ParseRequestURI(uri); ok != (err == nil) || ok && path != cmp.Or(u.Path, "/") {
			t.Errorf("%q: %q, %v; net/url: %+v, %v", uri, path, ok, u, err)
		}
	}
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

// Each byte of a head is scanned once, however the bytes arrive: the bytes that were scanned before
// may have become different ones.
func TestHeadIsScannedOnce(t *testing.T) {
	whole := []byte("GET / HTTP/1.1\r\nHost: h\r\nX: " + strings.Repeat("y", 500) + "\r\n\r\n")
	for cut := 2; cut < len(whole); cut++ {
		end, pos, n, bad := Scan(whole[:cut], 0, 0, limit)
		if end != 0 || bad != nil || pos != cut {
			t.Fatalf("cut at %d: end %d, scanned %d, %v", cut, end, pos, bad)
		}
		b := bytes.Clone(whole)
		for i := 1; i < cut-3; i++ { // the last may be half an end of line, or of the head
			b[i] = 0
		}
		if end, _, _, bad := Scan(b, pos, n, limit); end != len(whole) || bad != nil {
			t.Fatalf("cut at %d, then: end %d, %v", cut, end, bad)
		}
	}
}
