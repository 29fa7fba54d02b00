package proxyheader

import (
	"bufio"
	"bytes"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/pires/go-proxyproto"
)

const signature = "\r\n\r\n\x00\r\nQUIT\n"

// headers are headers with the clients that they name.
var headers = map[string]string{
	"PROXY TCP4 192.0.2.7 127.0.0.1 1234 9501\r\n":                                                 "192.0.2.7:1234",
	"PROXY TCP6 2001:db8::7 ::1 65535 0\r\n":                                                       "[2001:db8::7]:65535",
	"PROXY TCP6 ::ffff:192.0.2.7 ::1 1 2\r\n":                                                      "192.0.2.7:1",
	"PROXY UNKNOWN\r\n":                                                                            "",
	"PROXY UNKNOWN " + strings.Repeat("f", 91) + "\r\n":                                            "",
	signature + "\x21\x11\x00\x0c\xc0\x00\x02\x07\x7f\x00\x00\x01\x04\xd2\x25\x1d":                 "192.0.2.7:1234",
	signature + "\x21\x11\x00\x13\xc0\x00\x02\x07\x7f\x00\x00\x01\x04\xd2\x25\x1d\x04\x00\x04abcd": "192.0.2.7:1234",
	signature + "\x21\x21\x00\x24\x20\x01\x0d\xb8" + strings.Repeat("\x00", 11) + "\x07" + strings.Repeat("\x00", 16) + "\x04\xd2\x25\x1d": "[2001:db8::7]:1234",
	signature + "\x20\x00\x00\x00": "",
	signature + "\x20\x11\x00\x0c\xc0\x00\x02\x07\x7f\x00\x00\x01\x04\xd2\x25\x1d":                                           "", // a health check
	signature + "\x21\x31\x00\xd8" + strings.Repeat("\x00", 216):                                                             "", // of a Unix socket
	signature + "\x21\x11\x07\xf0\xc0\x00\x02\x07\x7f\x00\x00\x01\x04\xd2\x25\x1d\x04\x07\xe1" + strings.Repeat("x", Max-31): "192.0.2.7:1234",
}

// TestHeaders reads each header when it is complete, and not before, whatever follows.
func TestHeaders(t *testing.T) {
	for header, want := range headers {
		for i := range len(header) {
			if n, err := Length([]byte(header[:i])); n != 0 || err != nil {
				t.Fatalf("%q: %d, %v after %d bytes", header, n, err, i)
			}
		}
		for _, behind := range []string{"", "GET / HTTP/1.1\r\n"} {
			n, err := Length([]byte(header + behind))
			if n != len(header) || err != nil {
				t.Fatalf("%q: %d, %v", header, n, err)
			}
		}
		client, err := Client([]byte(header))
		if got := client; err != nil || got.IsValid() != (want != "") || want != "" && got.String() != want {
			t.Errorf("%q names %v, %v", header, got, err)
		}
	}
}

// TestWrongHeaders refuses what is no header, or not a whole one.
func TestWrongHeaders(t *testing.T) {
	for text, want := range map[string]error{
		"GET / HTTP/1.1\r\n": ErrMissing,
		"\x16\x03\x01":       ErrMissing,
		"PROXYTCP4":          ErrMissing,
		signature[:11] + "x": ErrMissing,
		"PROXY UNKNOWN " + strings.Repeat("f", 93): errNoEnd,
	} {
		if n, err := Length([]byte(text)); n != 0 || !errors.Is(err, want) {
			t.Errorf("%q: %d, %v, want %v", text, n, err, want)
		}
	}
	if n, err := Length([]byte(signature + "\x21\x11\xff\xff")); n != 0 || err == nil {
		t.Errorf("of 64 KiB: %d, %v", n, err)
	}
	for _, text := range []string{
		"PROXY TCP4 192.0.2.7 127.0.0.1 1234\r\n", "PROXY TCP4 ::1 ::1 1 2\r\n", "PROXY TCP6 1.2.3.4 ::1 1 2\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 65536 2\r\n",
		"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n", "PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n", "PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n",
		signature + "\x31\x11\x00\x00", signature + "\x22\x11\x00\x00", signature + "\x21\x13\x00\x00", signature + "\x21\x11\x00\x04abcd",
	} {
		n, err := Length([]byte(text))
		if n != len(text) || err != nil {
			t.Errorf("%q: %d, %v", text, n, err)
			continue
		}
		if client, err := Client([]byte(text)); err == nil {
			t.Errorf("%q names %v", text, client)
		}
	}
}

// FuzzHeader compares Length and Client with the library that reads from a stream.
func FuzzHeader(f *testing.F) {
	for header := range headers {
		f.Add([]byte(header + "GET"))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		n, err := Length(b)
		for i := range min(n, 300) {
			if early, err := Length(b[:i]); early != 0 || err != nil {
				t.Fatalf("%d, %v after %d bytes of %d", early, err, i, n)
			}
		}
		if n < 0 || n > min(len(b), Max) || n > 0 && err != nil {
			t.Fatalf("%d, %v of %d bytes", n, err, len(b))
		}
		in := bytes.NewReader(b)
		r := bufio.NewReaderSize(in, len(b)+16)
		h, streamed := proxyproto.Read(r)
		if n == 0 {
			if streamed == nil && len(b) <= Max {
				t.Fatalf("the stream has a header %v", h)
			}
			return
		}
		client, err := Client(b[:n])
		if (err == nil) != (streamed == nil) {
			t.Fatalf("%v, and from the stream %v", err, streamed)
		}
		if err != nil {
			return
		}
		if read := len(b) - in.Len() - r.Buffered(); read != n {
			t.Fatalf("the header has %d bytes, and the stream's %d", n, read)
		}
		if from, _, ok := h.TCPAddrs(); ok && h.Command.IsProxy() {
			if want := from.AddrPort(); client != netip.AddrPortFrom(want.Addr().Unmap(), want.Port()) {
				t.Fatalf("%v, and from the stream %v", client, want)
			}
		} else if client.IsValid() {
			t.Fatalf("%v, and from the stream none", client)
		}
	})
}
