package netpoll_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	crand "crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
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
