package netpoll

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"

	"webim/netpoll/wstest"

	"golang.org/x/sys/unix"
)

// from opens a connection that seems to come from an address: those of this machine
// have no bound.
func from(t *testing.T, s *Server, addr string) net.Conn {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fds[1]), "client")
	c, err := net.FileConn(f)
	f.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(wstest.Patience))
	s.addConn(s.listeners()[0], fds[0], netip.MustParseAddr(addr), 1, nil)
	return c
}

// get asks for a page and returns the status.
func get(t *testing.T, c net.Conn) int {
	t.Helper()
	fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	r, err := http.ReadResponse(bufio.NewReader(c), nil) // its body may be endless
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode
}

// endless answers, and goes on until the client has gone: such a connection is never
// idle.
var endless = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	w.WriteHeader(http.StatusNotFound)
	w.(http.Flusher).Flush()
	<-r.Context().Done()
})

// Of the places with net/http an address has a quarter, and what it left
// others may have.
func TestHTTPShare(t *testing.T) {
	s := serve(t, Config{MaxHTTP: 8, HTTP: endless}, nil)
	var first net.Conn
	for i, tt := range []struct {
		addr   string
		status int
	}{
		{"192.0.2.1", 404}, {"192.0.2.1", 404}, {"192.0.2.1", 503},
		{"2001:db8::1", 404}, {"2001:db8::2", 404}, {"2001:db8::3", 503},
		{"127.0.0.1", 404}, {"127.0.0.1", 404}, {"127.0.0.1", 404}, {"127.0.0.1", 404}, // exempt, but there are no more than 8
		{"192.0.2.2", 503},
	} {
		c := from(t, s, tt.addr)
		if got := get(t, c); got != tt.status {
			t.Errorf("%d: %s gets %d, want %d", i, tt.addr, got, tt.status)
		}
		if i == 0 {
			first = c
		}
	}
	first.Close()
	wstest.Eventually(t, "its place is free", func() bool { return s.Stats().HTTP == 7 })
	if got := get(t, from(t, s, "192.0.2.1")); got != 404 {
		t.Errorf("once there is room: %d", got)
	}
}

// selfSigned is a certificate for the tests.
func selfSigned(t testing.TB) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"h"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// clientHello is the first thing that a TLS client says.
func clientHello(t testing.TB) []byte {
	t.Helper()
	ours, theirs := net.Pipe()
	said := make(chan []byte, 1)
	go func() {
		b := make([]byte, 16<<10)
		n, _ := ours.Read(b)
		said <- b[:n]
		ours.Close()
	}()
	if err := tls.Client(theirs, &tls.Config{InsecureSkipVerify: true}).Handshake(); err == nil {
		t.Fatal("a handshake with nobody")
	}
	return <-said
}

// A place for a TLS handshake that is free goes to who waits and may have it,
// though others wait longer whose address has its share.
func TestTLSPlaceIsNotWasted(t *testing.T) {
	s := serve(t, Config{MaxTLSHandshakes: 8}, nil)
	s.ticks.second = 1 << 20 // none of them ends for others
	s.listeners()[0].tls = tlsConfig(&tls.Config{Certificates: []tls.Certificate{selfSigned(t)}})
	hello := clientHello(t)
	open := func(addr string) net.Conn {
		c := from(t, s, addr)
		c.Write(hello)
		return c
	}
	places := func() (busy, waiting int) {
		return s.tlsSlots.Len()
	}
	become := func(what string, busy, waiting int) {
		t.Helper()
		wstest.Eventually(t, what, func() bool { b, w := places(); return b == busy && w == waiting })
	}
	for range 2 {
		open("192.0.2.1") // its share
	}
	first := open("192.0.2.2")
	for i := range 5 {
		open([]string{"192.0.2.2", "192.0.2.3", "192.0.2.4"}[(i+1)/2])
	}
	become("all places are taken", 8, 0)
	for range 20 {
		open("192.0.2.1")
	}
	become("twenty wait", 8, 20)
	open("192.0.2.9")
	become("one more waits", 8, 21)
	first.Close()
	become("it has the place", 8, 20)
}

// silent opens connections from a loopback address that send a ClientHello and nothing after it.
func silent(t *testing.T, server net.Addr, from string, n int) (all []net.Conn) {
	t.Helper()
	hello := clientHello(t)
	for range n {
		c := dialFrom(t, server, from)
		if _, err := c.Write(hello); err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
	}
	return all
}

// dialFrom opens a connection from a loopback address.
func dialFrom(t *testing.T, server net.Addr, from string) net.Conn {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	c, err := d.Dial("tcp", server.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(wstest.Patience))
	return c
}

// handshakes waits until a server has so many TLS handshakes, and others wait.
func handshakes(t *testing.T, s *Server, busy, waits int) {
	t.Helper()
	wstest.Eventually(t, "the slots are taken and others wait", func() bool {
		b, w := s.tlsSlots.Len()
		return b == busy && w >= waits
	})
}

// Handshakes of clients that say nothing more end for others that wait, long before their deadline. An
// honest client finishes its handshake in the meantime, also if its address has used up its share.
func TestSilentTLSHandshakesEndForOthers(t *testing.T) {
	for name, c := range map[string]struct {
		silent []string
		honest string
	}{
		"several addresses": {[]string{"127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5"}, "127.0.0.9"},
		"one address":       {[]string{"127.0.0.2"}, "127.0.0.9"},
		"the same address":  {[]string{"127.0.0.2"}, "127.0.0.2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, Config{MaxTLSHandshakes: 8, HandshakeTimeout: time.Hour}, nil)
			at, err := s.Listen(Listener{Addr: "127.0.0.1:0", TLS: &tls.Config{Certificates: []tls.Certificate{selfSigned(t)}}})
			if err != nil {
				t.Fatal(err)
			}
			for _, addr := range c.silent {
				silent(t, at, addr, 40/len(c.silent))
			}
			handshakes(t, s, 8, 1)
			if err := tls.Client(dialFrom(t, at, c.honest), &tls.Config{InsecureSkipVerify: true}).Handshake(); err != nil {
				t.Errorf("an honest client: %v", err)
			}
			if s.Stats().Refused["slow tls handshake, ended for another"] == 0 {
				t.Error("the ended handshakes are not counted")
			}
		})
	}
	t.Run("the share of an address", func(t *testing.T) {
		t.Parallel()
		s := serve(t, Config{MaxTLSHandshakes: 8, HandshakeTimeout: time.Hour}, nil)
		s.listeners()[0].tls = tlsConfig(&tls.Config{Certificates: []tls.Certificate{selfSigned(t)}})
		hello := clientHello(t)
		for range 4 {
			from(t, s, "192.0.2.1").Write(hello)
		}
		handshakes(t, s, 2, 1)
		if err := tls.Client(from(t, s, "192.0.2.1"), &tls.Config{InsecureSkipVerify: true}).Handshake(); err != nil {
			t.Errorf("an honest client: %v", err)
		}
	})
}

// Free slots go to the waiting addresses in turns: a client does not wait for all connections that
// another address opened before it.
func TestTLSSlotsInTurns(t *testing.T) {
	s := serve(t, Config{MaxTLSHandshakes: 8, HandshakeTimeout: time.Hour}, nil)
	s.ticks.second = 1 << 20 // none of them ends for others
	at, err := s.Listen(Listener{Addr: "127.0.0.1:0", TLS: &tls.Config{Certificates: []tls.Certificate{selfSigned(t)}}})
	if err != nil {
		t.Fatal(err)
	}
	held := silent(t, at, "127.0.0.2", 8)
	handshakes(t, s, 8, 0)
	silent(t, at, "127.0.0.2", 20)
	handshakes(t, s, 8, 20)
	done := make(chan error, 1)
	honest := dialFrom(t, at, "127.0.0.3")
	go func() { done <- tls.Client(honest, &tls.Config{InsecureSkipVerify: true}).Handshake() }()
	handshakes(t, s, 8, 21)
	held[0].Close() // for an older connection
	handshakes(t, s, 8, 20)
	held[1].Close() // for the honest one
	if err := <-done; err != nil {
		t.Errorf("an honest client: %v", err)
	}
}

// The usual way to write a shutdown, in a callback: that ctx is canceled on
// return must not cut everybody off.
func TestShutdownInCallbackSaysGoodbye(t *testing.T) {
	s := serve(t, Config{}, nil)
	_, end := join(t, s, 0)
	var once sync.Once
	s.NewTurn(func() bool {
		once.Do(func() {
			ctx, cancel := context.WithTimeout(context.Background(), wstest.Patience)
			defer cancel()
			s.Shutdown(ctx, 0)
		})
		return false
	}).Wake()
	if f := nextFrame(t, end); f[0] != 0x88 {
		t.Errorf("got % x, want a Close frame", f)
	}
	end.Write(wstest.Frame(0x88, wstest.ClosePayload(1001, "")))
}

// withheld keeps back what a client writes while it is told to.
type withheld struct {
	*net.TCPConn
	hold bool
	kept []byte
}

func (c *withheld) Write(b []byte) (int, error) {
	if c.hold {
		c.kept = append(c.kept, b...)
		return len(b), nil
	}
	return c.TCPConn.Write(b)
}

func (c *withheld) Read(b []byte) (int, error) {
	n, err := c.TCPConn.Read(b)
	c.hold = true // what follows the server's flight: Finished, and the request
	return n, err
}

// The last of the handshake, a request and the end of the stream may come in
// one go; the request is answered.
func TestTLSHalfClose(t *testing.T) {
	s := serve(t, Config{}, nil)
	addr, err := s.Listen(Listener{Addr: "127.0.0.1:0", TLS: &tls.Config{Certificates: []tls.Certificate{selfSigned(t)}}})
	if err != nil {
		t.Fatal(err)
	}
	for range 50 {
		c, err := net.Dial("tcp", addr.String())
		if err != nil {
			t.Fatal(err)
		}
		c.SetDeadline(time.Now().Add(wstest.Patience))
		w := &withheld{TCPConn: c.(*net.TCPConn)}
		tc := tls.Client(w, &tls.Config{InsecureSkipVerify: true})
		if err := tc.Handshake(); err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(tc, "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
		w.TCPConn.Write(w.kept)
		w.CloseWrite()
		if r, err := http.ReadResponse(bufio.NewReader(tc), nil); err != nil || r.StatusCode != http.StatusNotFound {
			t.Fatalf("no answer: %v", err)
		}
		c.Close()
	}
}
