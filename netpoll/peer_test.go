package netpoll_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	crand "crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"webim/netpoll"
)

// certificate makes one for localhost.
func certificate(t testing.TB, name string) *tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), crand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{"localhost"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(crand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// secure adds a TLS listener to a server.
func secure(t testing.TB, s *netpoll.Server) string {
	t.Helper()
	addr, err := s.Listen(netpoll.Listener{Addr: "127.0.0.1:0", TLS: &tls.Config{Certificates: []tls.Certificate{*certificate(t, "first")}}})
	if err != nil {
		t.Fatal(err)
	}
	return addr.String()
}

// peer is a client over TLS, or not.
type peer struct {
	*client
	tls *tls.Conn
}

func dialPeer(t testing.TB, addr string, secure bool) *peer {
	t.Helper()
	p := &peer{client: dial(t, addr)}
	if secure {
		p.hurry()
		p.tls = tls.Client(p.c, &tls.Config{InsecureSkipVerify: true})
		if err := p.tls.Handshake(); err != nil {
			t.Fatal(err)
		}
		p.br = bufio.NewReaderSize(p.tls, 64<<10)
	}
	return p
}

func connectPeer(t testing.TB, addr string, secure bool) *peer {
	t.Helper()
	p := dialPeer(t, addr, secure)
	p.say(upgrade())
	if r := p.response(); r.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("handshake: %s", r.Status)
	}
	return p
}

// say writes through TLS if there is one; errors show in what is read.
func (p *peer) say(b []byte) {
	p.hurry()
	if p.tls != nil {
		p.tls.Write(b)
	} else {
		p.c.Write(b)
	}
}

// hangUp closes the sending half.
func (p *peer) hangUp() {
	if p.tls != nil {
		p.tls.CloseWrite()
	}
	p.c.CloseWrite()
}

// rest tells all that still comes. It answers a Close frame if it is to.
func (p *peer) rest(answer bool) string {
	var got []string
	for {
		b0, payload, err := p.readFrame()
		switch {
		case err == io.EOF:
			return strings.Join(append(got, "eof"), ", ")
		case errors.Is(err, syscall.ECONNRESET):
			return strings.Join(append(got, "reset"), ", ")
		case err != nil && strings.Contains(err.Error(), io.ErrUnexpectedEOF.Error()):
			return strings.Join(append(got, "cut"), ", ")
		case err != nil:
			return strings.Join(append(got, err.Error()), ", ")
		case b0 == closeOp && len(payload) >= 2:
			got = append(got, fmt.Sprintf("close %d", int(payload[0])<<8|int(payload[1])))
		case b0 == closeOp:
			got = append(got, "close")
		case b0 == text:
			got = append(got, "text "+string(payload))
		case b0 == ping:
			got = append(got, "ping")
		}
		if b0 == closeOp && answer {
			p.say(frame(closeOp, string(payload)))
			p.hangUp()
		}
	}
}
