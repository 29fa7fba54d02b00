package netpoll_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/netpoll/wstest"
)

// rekeyer is a TLS 1.3 client that says what crypto/tls would not: key updates
// that ask for one in return (RFC 8446, section 4.6.3), without end. It makes
// its records itself, with the secret of the handshake.
type rekeyer struct {
	*wstest.Client
	t      testing.TB
	secret []byte
	seq    uint64
}

func dialRekeyer(t testing.TB, addr string) *rekeyer {
	t.Helper()
	var log bytes.Buffer
	c := wstest.Dial(t, addr)
	c.TCP().SetReadBuffer(4096)
	p, err := over(t, c, c.Conn, &tls.Config{KeyLogWriter: &log, MinVersion: tls.VersionTLS13})
	if err != nil {
		t.Fatal(err)
	}
	if s := p.TLS.ConnectionState().CipherSuite; s != tls.TLS_AES_128_GCM_SHA256 {
		t.Fatalf("cipher suite %s, which this test does not speak", tls.CipherSuiteName(s))
	}
	for line := range strings.Lines(log.String()) {
		if f := strings.Fields(line); f[0] == "CLIENT_TRAFFIC_SECRET_0" {
			secret, err := hex.DecodeString(f[2])
			if err != nil {
				t.Fatal(err)
			}
			return &rekeyer{Client: p, t: t, secret: secret}
		}
	}
	t.Fatal("no secret in the key log")
	return nil
}

// expand is HKDF-Expand-Label without a context (RFC 8446, section 7.1).
func (k *rekeyer) expand(label string, n int) []byte {
	label = "tls13 " + label
	info := append(binary.BigEndian.AppendUint16(nil, uint16(n)), byte(len(label)))
	b, err := hkdf.Expand(sha256.New, k.secret, string(append(append(info, label...), 0)), n)
	if err != nil {
		k.t.Fatal(err)
	}
	return b
}

// record encrypts a record of a type: 22 handshake, 23 application data.
func (k *rekeyer) record(kind byte, data []byte) []byte {
	block, err := aes.NewCipher(k.expand("key", 16))
	if err != nil {
		k.t.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		k.t.Fatal(err)
	}
	nonce := k.expand("iv", 12)
	for i, b := range binary.BigEndian.AppendUint64(nil, k.seq) {
		nonce[4+i] ^= b
	}
	k.seq++
	plain := append(bytes.Clone(data), kind)
	head := binary.BigEndian.AppendUint16([]byte{23, 3, 3}, uint16(len(plain)+aead.Overhead()))
	return aead.Seal(head, nonce, plain, head)
}

// update is a key update that asks for another.
func (k *rekeyer) update() []byte {
	b := k.record(22, []byte{24, 0, 0, 1, 1})
	k.secret, k.seq = k.expand("traffic upd", 32), 0
	return b
}

// updates is n of them, with a byte of application data now and then, without
// which crypto/tls itself would give up.
func (k *rekeyer) updates(n int, data func() []byte) (b []byte) {
	for i := range n {
		if i%12 == 0 {
			b = append(b, k.record(23, data())...)
		}
		b = append(b, k.update()...)
	}
	return b
}

// Who asks for key updates without end and does not read the answers is
// closed as slow, at a bound that all ciphertext counts against.
func TestTLSKeyUpdatesUnread(t *testing.T) {
	w := newWitness()
	s, _ := start(t, netpoll.Config{Workers: 1}, w)
	addr := secure(t, s)
	bystander := wstest.ConnectTLS(t, addr, true)
	receive(t, "open", w.opened)
	k := dialRekeyer(t, addr)
	k.Conn.Write(k.record(23, wstest.Upgrade()))
	c := receive(t, "open", w.opened)
	k.Conn.Write(k.record(23, wstest.FrameHead(bin, 100_000)))
	flood := k.updates(20_000, func() []byte { return []byte{0} })
	done := make(chan struct{})
	go func() {
		defer close(done)
		for len(flood) > 0 {
			n, err := k.Conn.Write(flood[:min(len(flood), 4096)])
			if err != nil {
				return
			}
			flood = flood[n:]
		}
	}()
	most := int64(0)
	wstest.Eventually(t, "it is closed", func() bool {
		most = max(most, s.Stats().Queued)
		return !c.Exists()
	})
	w.expect(t, netpoll.Slow, ws.StatusAbnormalClosure)
	k.Conn.Close()
	<-done
	if most > 1<<20 {
		t.Errorf("%d bytes were queued for one that does not read", most)
	}
	bystander.TrySend(wstest.Frame(text, "still here"))
	bystander.Expect(text, "still here")
	bystander.Conn.Close()
	w.expect(t, netpoll.ClientGone, ws.StatusAbnormalClosure)
	if st := s.Stats(); st.Queued != 0 || st.Unfinished != 0 {
		t.Errorf("left over: %d queued, %d unfinished", st.Queued, st.Unfinished)
	}
}

// Key updates are answered, and what is said between them is understood, if
// the client reads.
func TestTLSKeyUpdatesRead(t *testing.T) {
	s, _ := start(t, netpoll.Config{}, echo())
	k := dialRekeyer(t, secure(t, s))
	k.Conn.Write(k.record(23, wstest.Upgrade()))
	if r := k.Response(); r.StatusCode != http.StatusSwitchingProtocols {
		t.Fatal(r.Status)
	}
	for range 100 {
		k.Conn.Write(append(k.update(), k.record(23, wstest.Frame(text, "hello"))...))
		k.Expect(text, "hello")
	}
	k.Conn.Close()
}

// Key updates cost more than their bytes, and so does padding: the Meter is told, also
// after net/http had the connection. What an honest client sends costs no more.
func TestTLSWasteIsMetered(t *testing.T) {
	const rounds = 50
	for _, c := range []struct {
		name  string
		http  bool // a request before the upgrade
		send  func(k *rekeyer) []byte
		least int // bytes in all
		most  int
	}{
		{"messages", false, func(k *rekeyer) []byte { return k.record(23, wstest.Frame(text, "hello")) }, rounds * 11, rounds * 11},
		{"messages behind a request", true, func(k *rekeyer) []byte { return k.record(23, wstest.Frame(text, "hello")) }, rounds * 11, rounds*11 + 32*4096},
		{"one key update", false, func(k *rekeyer) []byte { return append(k.update(), k.record(23, wstest.Frame(text, "hello"))...) }, rounds * 11, rounds * 11},
		{"key updates", false, func(k *rekeyer) []byte {
			return append(k.updates(12, func() []byte { return wstest.Frame(text, "hello") }), k.record(23, wstest.Frame(text, "hello"))...)
		}, rounds * 32 * 100, rounds * 32 * 1000},
		{"key updates behind a request", true, func(k *rekeyer) []byte {
			return append(k.updates(12, func() []byte { return wstest.Frame(text, "hello") }), k.record(23, wstest.Frame(text, "hello"))...)
		}, rounds * 32 * 100, rounds * 32 * 1000},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newMetered()
			s, _ := start(t, netpoll.Config{}, m)
			k := dialRekeyer(t, secure(t, s))
			if c.http {
				k.Conn.Write(k.record(23, []byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")))
				k.Response()
			}
			k.Conn.Write(k.record(23, wstest.Upgrade()))
			if r := k.Response(); r.StatusCode != http.StatusSwitchingProtocols {
				t.Fatal(r.Status)
			}
			for range rounds {
				b := c.send(k)
				k.Conn.Write(b)
				k.Expect(text, "hello")
				if len(b) > 300 {
					k.Expect(text, "hello")
				}
			}
			wstest.Eventually(t, "it is told", func() bool { return m.cost().Bytes >= c.least })
			if n := m.cost().Bytes; n > c.most {
				t.Errorf("%d bytes are charged, at most %d were expected", n, c.most)
			}
			k.Conn.Close()
		})
	}
}

// Until a connection is open nobody is charged for key updates, nor while net/http has it:
// then they are bounded.
func TestTLSWasteBeforeOpen(t *testing.T) {
	for name, c := range map[string]struct {
		before string // what net/http is asked for
		head   string
	}{
		"head of an upgrade": {"", "GET / HTTP/1.1\r\nX: "},
		"head of a request":  {"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "GET / HTTP/1.1\r\nX: "},
		"body":               {"", "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := start(t, netpoll.Config{Workers: 1}, echo())
			k := dialRekeyer(t, secure(t, s))
			if c.before != "" {
				k.Conn.Write(k.record(23, []byte(c.before)))
				k.Response()
			}
			k.Conn.Write(k.record(23, []byte(c.head)))
			flood := k.updates(10_000, func() []byte { return []byte("x") }) // more than 300 KB
			written := make(chan struct{})
			go func() {
				defer close(written)
				k.Conn.Write(flood)
			}()
			io.Copy(io.Discard, k.Conn) // until the server ends it
			<-written
			wstest.Eventually(t, "it is closed", func() bool { return s.Stats().HTTP == 0 && openConns(s) == 0 })
			if n := s.Stats().BytesIn; n > 200<<10 {
				t.Errorf("%d bytes were read", n)
			}
		})
	}
}

// The answers to key updates wait in the server when a request is handed to
// net/http; the worker must not wait with them.
func TestTLSKeyUpdatesBeforeHTTP(t *testing.T) {
	t.Parallel()
	s, addr := serveAt(t, netpoll.Config{Workers: 1, HandshakeTimeout: 6 * time.Second, SendBuffer: 4096}, echo(), true)
	bystander := wstest.ConnectTLS(t, addr, true)
	k := dialRekeyer(t, addr)
	head := []byte("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX: ")
	b := k.record(23, head)
	b = append(b, k.updates(2_800, func() []byte { return []byte("x") })...)
	k.Conn.Write(append(b, k.record(23, []byte("\r\n\r\n"))...))
	wstest.Eventually(t, "net/http has it", func() bool { return s.Stats().HTTP == 1 })
	bystander.TrySend(wstest.Frame(text, "still here"))
	bystander.Expect(text, "still here")
	wstest.Eventually(t, "who does not read is given up", func() bool { return s.Stats().HTTP == 0 })
	if st := s.Stats(); st.Queued != 0 || st.Unfinished != 0 {
		t.Errorf("left over: %d queued, %d unfinished", st.Queued, st.Unfinished)
	}
	bystander.Conn.Close()
}

// Parts of records count as unfinished input, and are bounded in total.
func TestTLSHalfRecords(t *testing.T) {
	const bound = 256 << 10
	w := newWitness()
	s, _ := start(t, netpoll.Config{MaxUnfinished: bound}, w)
	addr := secure(t, s)
	var all []*rekeyer
	for range 40 {
		k := dialRekeyer(t, addr)
		k.Conn.Write(k.record(23, wstest.Upgrade()))
		c := receive(t, "open", w.opened)
		before := bytesIn(c)
		half := k.record(23, wstest.Frame(text, strings.Repeat("x", 16_000)))
		k.Conn.Write(half[:len(half)-1])
		wstest.Eventually(t, "it is read", func() bool { return bytesIn(c) == before+uint64(len(half)-1) || !c.Exists() })
		all = append(all, k)
	}
	wstest.Eventually(t, "the bound holds", func() bool { return s.Stats().Unfinished <= bound && s.Stats().Open <= bound/16_000 })
	if n := s.Stats().Open; n < bound/16_000/2 {
		t.Errorf("only %d are left", n)
	}
	for _, k := range all {
		k.Conn.Close()
	}
	wstest.Eventually(t, "all are gone", func() bool { return s.Stats().Open == 0 })
	if st := s.Stats(); st.Unfinished != 0 {
		t.Errorf("%d bytes are counted as unfinished", st.Unfinished)
	}
}
