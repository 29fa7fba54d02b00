package netpoll

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// A header of the PROXY protocol is named however it is split, on plain ports and on
// those for TLS; what only begins like one is not.
func TestPROXYHeaderInPieces(t *testing.T) {
	for _, secure := range []bool{false, true} {
		s := serve(t, Config{}, nil)
		if secure {
			s.listeners()[0].tls = tlsConfig(&tls.Config{Certificates: []tls.Certificate{selfSigned(t)}})
		}
		for _, tt := range []struct {
			head  string
			named bool
		}{
			{"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", true}, {"PROXY UNKNOWN\r\n", true}, {"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c", true},
			{"\r\n\r\n\x00\r\nQUIZ", false}, {"PRO / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", false},
		} {
			for cut := 1; cut < len(tt.head); cut++ {
				c := from(t, s, "127.0.0.1")
				fmt.Fprint(c, tt.head[:cut])
				_, _ = io.WriteString(c, tt.head[cut:]) // it may be refused already
				b, _ := io.ReadAll(c)
				if strings.Contains(string(b), "PROXY protocol") != tt.named || !secure && !strings.HasPrefix(string(b), "HTTP/1.1 ") {
					t.Fatalf("secure %v, %q cut at %d: %.200q", secure, tt.head, cut, b)
				}
				c.Close()
			}
		}
	}
}

// List headers may be empty, have empty elements, and stand on several lines.
func TestListHeaders(t *testing.T) {
	s := serve(t, Config{Subprotocols: []string{"b", "c"}}, nil)
	const deflate = "permessage-deflate"
	for _, tt := range []struct {
		lines         string
		protocol, ext string
	}{
		{"Sec-WebSocket-Protocol: \r\n", "", ""}, {"Sec-WebSocket-Protocol: ,\r\n", "", ""}, {"Sec-WebSocket-Protocol:\t, ,\r\n", "", ""},
		{"Sec-WebSocket-Protocol: ,b\r\n", "b", ""}, {"Sec-WebSocket-Protocol: a,,b,\r\n", "b", ""},
		{"Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: \r\nsec-websocket-protocol: c\r\n", "c", ""},
		{"Sec-WebSocket-Extensions: \r\n", "", ""}, {"Sec-WebSocket-Extensions: , " + deflate + " ,,\r\n", "", deflate},
		{"Sec-WebSocket-Extensions: x-other\r\nSec-WebSocket-Extensions: " + deflate + "\r\n", "", deflate},
		{"Connection: \r\nUpgrade: \r\n", "", ""}, {"Connection: ,\r\nUpgrade: ,\r\n", "", ""},
	} {
		c := from(t, s, "127.0.0.1")
		fmt.Fprint(c, strings.TrimSuffix(askUpgrade, "\r\n")+tt.lines+"\r\n")
		r, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		ext := r.Header.Get("Sec-WebSocket-Extensions")
		if p := r.Header.Get("Sec-WebSocket-Protocol"); r.StatusCode != 101 || p != tt.protocol || (ext != "") != (tt.ext != "") {
			t.Errorf("%q: %s, protocol %q, extensions %q", tt.lines, r.Status, p, ext)
		}
	}
	q := Request{}
	if err := q.head.Parse([]byte("GET / HTTP/1.1\r\nCookie: a=1\r\nX: 1\r\ncookie: b=2\r\nx: 2\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	if q.Header("Cookie") != "a=1; b=2" || q.Header("X") != "1, 2" {
		t.Errorf("joined: %q, %q", q.Header("Cookie"), q.Header("X"))
	}
}

// However large MaxHead is, a head is bounded by what a worker can read.
func TestLargeMaxHead(t *testing.T) {
	s := serve(t, Config{MaxHead: 1 << 30}, nil)
	for size, want := range map[int]int{1 << 10: 404, largestMaxHead - 100: 404, largestMaxHead: 431, readSize: 431, 4 * readSize: 431} {
		c := from(t, s, "127.0.0.1")
		go func(c net.Conn) {
			_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: h\r\nX: "+strings.Repeat("x", size)+"\r\n\r\n")
		}(c)
		r, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil || r.StatusCode != want {
			t.Errorf("a head of %d and more: %v, %v, want %d", size, r, err, want)
		}
	}
}
