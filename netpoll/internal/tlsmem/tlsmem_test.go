package tlsmem

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"sync/atomic"
	"testing"

	"webim/netpoll/wstest"
)

func TestMain(m *testing.M) { wstest.Main(m) }

// counts is an Owner that passes the output on to the client's end of a pipe.
type counts struct {
	input, output atomic.Int64
	flush         func()
}

func (o *counts) CountInput(n int) bool { return o.input.Add(int64(n)) < 1<<20 }
func (o *counts) CountOutput(n int)     { o.output.Add(int64(n)) }
func (o *counts) Wake()                 {}
func (o *counts) Flush()                { o.flush() }

func certificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// TestConn checks the life of a Conn with input that arrives byte by byte: the handshake waits for it,
// and after that a read that finds no whole record says so and can be repeated. The owner's counts
// are 0 at the end.
func TestConn(t *testing.T) {
	socket, peer := net.Pipe()
	client := tls.Client(peer, &tls.Config{InsecureSkipVerify: true})
	owner := &counts{}
	c := New(&tls.Config{Certificates: []tls.Certificate{certificate(t)}, SessionTicketsDisabled: true})
	c.SetOwner(owner)
	owner.flush = func() {
		out, _ := c.Output()
		n, _ := socket.Write(out)
		c.Wrote(n)
	}
	feed := func() bool {
		var b [1]byte
		if _, err := socket.Read(b[:]); err != nil {
			return false
		}
		c.Feed(b[:])
		return true
	}

	said := make(chan error, 1)
	go func() {
		_, err := client.Write([]byte("hello"))
		said <- err
	}()
	whole := false
	for !whole && feed() {
		c.Peek(func(in []byte) {
			var bad bool
			if whole, bad = WholeHello(in); bad {
				t.Errorf("a ClientHello of %d bytes is bad", len(in))
			}
		})
	}
	c.BeginHandshake()
	shaken := make(chan error, 1)
	go func() { shaken <- c.TLS.HandshakeContext(context.Background()) }()
	go func() {
		for feed() {
		}
		c.EndInput()
	}()
	if err := <-shaken; err != nil {
		t.Fatal(err)
	}
	c.EndHandshake(nil)
	if st := c.Status(); !c.Ready() || !st.Done || st.Handshaking {
		t.Errorf("after the handshake: %+v", st)
	}
	if err := <-said; err != nil {
		t.Fatal(err)
	}
	var text [64]byte
	wstest.Eventually(t, "the plaintext comes", func() bool {
		n, err := c.Read(text[:])
		if err != nil && err != ErrNoInput {
			t.Fatal(err)
		}
		return string(text[:n]) == "hello"
	})
	if _, ok := c.CountText(5); !ok {
		t.Error("a handshake and a message are too much waste")
	}
	if _, err := c.Read(text[:]); err != ErrNoInput {
		t.Errorf("a read of nothing: %v", err)
	}
	peer.Close()
	wstest.Eventually(t, "the end comes", func() bool {
		_, err := c.Read(text[:])
		return err == io.EOF || err == io.ErrUnexpectedEOF
	})
	if !c.CountInput() {
		t.Error("the input is over the limit")
	}
	c.WriteRaw([]byte("never sent"))
	c.End()
	if in, out := owner.input.Load(), owner.output.Load(); in != 0 || out != 0 {
		t.Errorf("%d bytes of input and %d of output are still counted", in, out)
	}
}
