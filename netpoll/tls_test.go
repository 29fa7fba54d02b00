package netpoll_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/netpoll/wstest"
	"webim/netpoll/wstest/shortwrite"
)

// chopped writes in pieces, as a slow or hostile network does.
type chopped struct {
	net.Conn
	n       int
	records bool // split TLS handshake records, not writes
}

func (c chopped) Write(b []byte) (int, error) {
	if c.records && len(b) > 5 && b[0] == 22 {
		return len(b), c.split(b)
	}
	for at := 0; at < len(b); at += c.n {
		if _, err := c.Conn.Write(b[at:min(at+c.n, len(b))]); err != nil {
			return at, err
		}
	}
	return len(b), nil
}

// split makes records of n bytes out of the first one.
func (c chopped) split(b []byte) error {
	size := int(b[3])<<8 | int(b[4])
	var out []byte
	for body := b[5 : 5+size]; len(body) > 0; {
		n := min(c.n, len(body))
		out = append(out, b[0], b[1], b[2], byte(n>>8), byte(n))
		out, body = append(out, body[:n]...), body[n:]
	}
	_, err := c.Conn.Write(append(out, b[5+size:]...))
	return err
}

// over starts TLS for a client, over a connection of the test's that wraps the client's.
func over(t testing.TB, c *wstest.Client, wrap net.Conn, cfg *tls.Config) (*wstest.Client, error) {
	t.Helper()
	cfg.InsecureSkipVerify = true
	return c, c.StartTLS(wrap, cfg)
}

// A ClientHello in any pieces, of the stream and of records.
func TestTLSHelloInPieces(t *testing.T) {
	s, _ := start(t, netpoll.Config{}, echo())
	addr := secure(t, s)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for _, way := range []chopped{{n: 1}, {n: 7}, {n: 1000}, {n: 1, records: true}, {n: 3, records: true}, {n: 100, records: true}} {
			t.Run(fmt.Sprintf("%x by %d, records %v", version, way.n, way.records), func(t *testing.T) {
				c := wstest.Dial(t, addr)
				way.Conn = c.Conn
				p, err := over(t, c, way, &tls.Config{MinVersion: version, MaxVersion: version})
				if err != nil {
					t.Fatal(err)
				}
				p.TrySend(wstest.Upgrade())
				p.Response()
				p.TrySend(wstest.Frame(text, "hello"))
				p.Expect(text, "hello")
				p.TrySend(wstest.Frame(closeOp, ""))
				if got := p.Rest(false); got != "close, eof" { // an eof without close_notify would be "cut"
					t.Errorf("at the end: %s", got)
				}
				p.Conn.Close()
			})
		}
	}
}

// One place: a stalled handshake has it until its deadline. Those that came
// with it and stall too must not lose it for the one that waits.
func TestTLSPlaces(t *testing.T) {
	for round := range 3 {
		t.Run(fmt.Sprint(round), func(t *testing.T) {
			t.Parallel()
			w := newWitness()
			s, addr := serveAt(t, netpoll.Config{MaxTLSHandshakes: 1, HandshakeTimeout: 3 * time.Second}, w, true)
			var hello []byte // of a client that says nothing more
			tls.Client(sink{&hello}, &tls.Config{InsecureSkipVerify: true}).Handshake()
			for range 20 {
				wstest.Dial(t, addr).SendBytes(hello)
			}
			half := time.NewTimer(1500 * time.Millisecond) // half of the deadline after them
			<-half.C
			c := wstest.Dial(t, addr)
			p, err := over(t, c, c.Conn, &tls.Config{})
			if err != nil {
				t.Fatalf("the one that waits: %v", err)
			}
			p.TrySend(wstest.Upgrade())
			p.Response()
			p.TrySend(wstest.Frame(text, "at last"))
			p.Expect(text, "at last")
			p.Conn.Close()
			wstest.Eventually(t, "the stalled ones are closed", func() bool { return s.Stats().Closed[netpoll.HandshakeTimeout] == 20 })
			w.expect(t, netpoll.ClientGone, ws.StatusAbnormalClosure)
		})
	}
}

// Who breaks off while it waits for a place, or while its handshake is under
// way, is not kept until the deadline.
func TestTLSPlaceGivenUp(t *testing.T) {
	s, _ := start(t, netpoll.Config{MaxTLSHandshakes: 1, HandshakeTimeout: time.Hour}, echo())
	addr := secure(t, s)
	var hello []byte
	tls.Client(sink{&hello}, &tls.Config{InsecureSkipVerify: true}).Handshake()
	first := wstest.Dial(t, addr)
	first.SendBytes(hello)
	first.ResetDeadline()
	if _, err := first.Reader.Peek(1); err != nil { // it has the place
		t.Fatal(err)
	}
	for i := range 10 {
		c := wstest.Dial(t, addr)
		c.SendBytes(hello)
		if i%2 == 0 { // seen before the end, or with it
			wstest.Eventually(t, "its hello is there", func() bool { return s.Stats().BytesIn >= int64((i+2)*len(hello)) })
		}
		c.Conn.Close()
		wstest.Eventually(t, "its end is seen", func() bool { return s.Stats().Closed[netpoll.HandshakeFailed] == int64(i+1) })
	}
	first.Conn.Close()
	wstest.ConnectTLS(t, addr, true).Conn.Close()
}

// sink takes what is written and answers nothing.
type sink struct{ b *[]byte }

func (s sink) Write(b []byte) (int, error)      { *s.b = append(*s.b, b...); return len(b), nil }
func (s sink) Read([]byte) (int, error)         { return 0, io.EOF }
func (s sink) Close() error                     { return nil }
func (s sink) LocalAddr() net.Addr              { return nil }
func (s sink) RemoteAddr() net.Addr             { return nil }
func (s sink) SetDeadline(time.Time) error      { return nil }
func (s sink) SetReadDeadline(time.Time) error  { return nil }
func (s sink) SetWriteDeadline(time.Time) error { return nil }

func TestTLSGarbage(t *testing.T) {
	w := newWitness()
	s, _ := start(t, netpoll.Config{}, w)
	addr := secure(t, s)
	for name, garbage := range map[string]string{
		"zeros": strings.Repeat("\x00", 100), "an old version": "\x16\x02\x00\x00\x10", "an empty record": "\x16\x03\x01\x00\x00",
		"a huge record": "\x16\x03\x01\xff\xff", "a huge hello": "\x16\x03\x01\x00\x04\x01\xff\xff\xff", "no hello": "\x16\x03\x01\x00\x04\x02\x00\x00\x00",
		"a damaged hello": "\x16\x03\x01\x00\x08\x01\x00\x00\x04\xff\xff\xff\xff", "HTTP": "GET / HTTP/1.1\r\nHost: h\r\n\r\n",
		"HTTP, a byte": "G",
	} {
		c := wstest.Dial(t, addr)
		c.SendBytes([]byte(garbage))
		c.ResetDeadline()
		answer, err := io.ReadAll(c.Reader)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if strings.HasPrefix(name, "HTTP") && !strings.HasPrefix(string(answer), "HTTP/1.0 400 ") {
			t.Errorf("%s: answered with %q", name, answer)
		}
		c.Conn.Close()
	}
	c := wstest.Dial(t, addr)
	if _, err := over(t, c, c.Conn, &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}); err == nil {
		t.Error("TLS 1.1 is spoken")
	} else if !strings.Contains(err.Error(), "protocol version") {
		t.Errorf("TLS 1.1: %v; want the alert", err)
	}
	c.Conn.Close()
	wstest.Eventually(t, "all are closed", func() bool { return s.Stats().Closed[netpoll.HandshakeFailed] == 10 })
	if len(w.opened)+len(w.closed) != 0 {
		t.Error("the handler was told")
	}
}

// Large messages both ways through readers that are slow, in order and whole.
func TestTLSLarge(t *testing.T) {
	for _, limit := range []int{0, 1000} {
		shortwrite.Limit(t, limit)
		s, _ := start(t, netpoll.Config{MaxQueue: 64 << 20, SendBuffer: 16 << 10}, echo())
		addr := secure(t, s)
		var clients sync.WaitGroup
		for i := range 4 {
			p := wstest.ConnectTLS(t, addr, true)
			p.TCP().SetReadBuffer(32 << 10)
			clients.Go(func() {
				sizes := []int{1, 1000, 16 << 10, 100_000, 1 << 20, 17, 300_000}
				go func() {
					for _, size := range sizes {
						p.TLS.Write(wstest.Frame(bin, strings.Repeat(string(rune('a'+i)), size)))
					}
				}()
				for _, size := range sizes {
					b0, payload, err := p.ReadFrame()
					if err != nil || b0 != bin || string(payload) != strings.Repeat(string(rune('a'+i)), size) {
						t.Errorf("message of %d: frame %02x of %d, %v", size, b0, len(payload), err)
						return
					}
				}
				p.Conn.Close()
			})
		}
		clients.Wait()
		wstest.Eventually(t, "all are closed", func() bool { return s.Stats().Open == 0 })
		if st := s.Stats(); st.Queued != 0 || st.Unfinished != 0 {
			t.Errorf("writes of %d bytes: %d bytes are queued, %d unfinished at the end", limit, st.Queued, st.Unfinished)
		}
	}
}

// Certificates change while the server serves; who is connected stays.
func TestTLSReload(t *testing.T) {
	s, _ := start(t, netpoll.Config{}, echo())
	var now atomic.Pointer[tls.Certificate]
	now.Store(certificate(t, "first"))
	addr, err := s.Listen(netpoll.Listener{Addr: "127.0.0.1:0", TLS: &tls.Config{
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return now.Load(), nil }}})
	if err != nil {
		t.Fatal(err)
	}
	name := func(p *wstest.Client) string { return p.TLS.ConnectionState().PeerCertificates[0].Subject.CommonName }
	old := wstest.ConnectTLS(t, addr.String(), true)
	now.Store(certificate(t, "second"))
	fresh := wstest.ConnectTLS(t, addr.String(), true)
	if name(old) != "first" || name(fresh) != "second" {
		t.Errorf("served with %q, then %q", name(old), name(fresh))
	}
	for _, p := range []*wstest.Client{old, fresh} {
		p.TrySend(wstest.Frame(text, "hello"))
		p.Expect(text, "hello")
		p.Conn.Close()
	}
}

// Bytes are those on the socket, ciphertext.
func TestTLSInfo(t *testing.T) {
	w := newWitness()
	s, _ := start(t, netpoll.Config{}, w)
	p := wstest.ConnectTLS(t, secure(t, s), true)
	c := receive(t, "open", w.opened)
	before, _ := c.Info()
	p.TrySend(wstest.Frame(text, "hello"))
	p.Expect(text, "hello")
	wstest.Eventually(t, "it is counted", func() bool { info, _ := c.Info(); return info.BytesOut > before.BytesOut })
	after, _ := c.Info()
	if in, out := after.BytesIn-before.BytesIn, after.BytesOut-before.BytesOut; in < 11+22 || out < 7+22 {
		t.Errorf("a frame of 11 bytes in and one of 7 out count as %d and %d", in, out)
	}
	if !after.TLS || after.MessagesIn != 1 || after.MessagesOut != 1 || after.Listener != 1 {
		t.Errorf("info: %+v", after)
	}
	if r, err := (&http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}}).Get("https://" + p.Conn.RemoteAddr().String()); err != nil || r.StatusCode != 404 || r.TLS == nil {
		t.Errorf("https: %v, %v", r, err)
	} else {
		r.Body.Close()
	}
	p.Conn.Close()
}
