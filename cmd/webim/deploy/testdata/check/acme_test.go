package check

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"
	"github.com/miekg/dns"
)

const acmeHost = "chat.example.org"

// pebble is the ACME server of Let's Encrypt's own tests.
type pebble struct {
	*httptest.Server
	roots  *x509.CertPool
	orders atomic.Int32
}

// startPebble starts an ACME server that proves hosts on these ports of this machine.
func startPebble(t *testing.T, httpPort, tlsPort int) *pebble {
	t.Helper()
	t.Setenv("PEBBLE_VA_NOSLEEP", "1")
	t.Setenv("PEBBLE_WFE_NONCEREJECT", "50")
	silent := log.New(io.Discard, "", 0)
	store := db.NewMemoryStore()
	authority := ca.New(silent, store, "", "ecdsa", 0, 1, map[string]ca.Profile{"default": {Description: "default", ValidityPeriod: 90 * 24 * 3600}})
	front := wfe.New(silent, store, va.New(silent, httpPort, tlsPort, false, startDNS(t), store), authority, []string{"pebble"}, false, false, 1, 1)
	p := &pebble{roots: x509.NewCertPool()}
	p.roots.AddCert(authority.GetRootCert(0).Cert)
	h := front.Handler()
	p.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/order-plz") {
			p.orders.Add(1)
		}
		h.ServeHTTP(w, r)
	}))
	t.Cleanup(p.Close)
	return p
}

// startDNS starts a name server for which each host is this machine.
func startDNS(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &dns.Server{Listener: l, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg)
		m.SetReply(q)
		if q.Question[0].Qtype == dns.TypeA {
			m.Answer = append(m.Answer, &dns.A{Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET}, A: net.IPv4(127, 0, 0, 1)})
		}
		_ = w.WriteMsg(m)
	})}
	go func() { _ = server.ActivateAndServe() }()
	t.Cleanup(func() { _ = server.Shutdown() })
	return l.Addr().String()
}

// TestACME gets a certificate from an ACME server, by either way to prove the host, and keeps it over a restart.
func TestACME(t *testing.T) {
	for _, way := range []string{"TLS-ALPN-01", "HTTP-01"} {
		t.Run(way, func(t *testing.T) {
			plain, secure := freeAddr(t), freeAddr(t)
			tlsPort := port(secure)
			if way == "HTTP-01" { // nobody can prove anything there
				tlsPort = port(freeAddr(t))
			}
			p := startPebble(t, port(plain), tlsPort)
			folder := filepath.Join(t.TempDir(), "acme")
			ca := filepath.Join(t.TempDir(), "ca.pem")
			if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.Certificate().Raw}), 0o600); err != nil {
				t.Fatal(err)
			}
			serve := func() *exec.Cmd {
				cmd := exec.Command(webim(t), "serve", "--engine", "memory", "--open", "--listen", plain, "--tls-listen", secure, "--acme", acmeHost,
					"--acme-dir", folder, "--acme-directory", p.URL+"/dir", "--acme-ca", ca, "--shutdown-spread", "0s", "--drain-delay", "0s")
				start(t, cmd)
				return cmd
			}
			first := serve()
			leaf := certificateOf(t, secure, p.roots)
			if p.orders.Load() == 0 {
				t.Error("the ACME server was not asked")
			}
			if info, err := os.Stat(folder); err != nil || info.Mode().Perm()&0o077 != 0 {
				t.Errorf("the folder of certificates: %v, %v", info, err)
			}
			// Another host, and the protocol of the proof without one under way, get nothing.
			for _, cfg := range []*tls.Config{{ServerName: "other.example.org"}, {ServerName: acmeHost, NextProtos: []string{"acme-tls/1"}}} {
				cfg.InsecureSkipVerify = true
				if conn, err := tls.Dial("tcp", secure, cfg); err == nil {
					conn.Close()
					t.Errorf("a handshake for %s, %v succeeds", cfg.ServerName, cfg.NextProtos)
				}
			}
			asked := p.orders.Load()
			_ = first.Process.Signal(syscall.SIGTERM)
			if err := first.Wait(); err != nil {
				t.Error(err)
			}
			serve()
			if again := certificateOf(t, secure, p.roots); !again.Equal(leaf) || p.orders.Load() != asked {
				t.Errorf("after a restart there is another certificate, or the ACME server was asked %d times", p.orders.Load()-asked)
			}
		})
	}
}

// certificateOf waits until a client that trusts the authority gets a page from the host.
func certificateOf(t *testing.T, addr string, roots *x509.CertPool) (leaf *x509.Certificate) {
	t.Helper()
	eventually(t, "a client trusts the certificate", func() bool {
		conn, err := tls.Dial("tcp", addr, &tls.Config{ServerName: acmeHost, RootCAs: roots})
		if err != nil {
			return false
		}
		defer conn.Close()
		leaf = conn.ConnectionState().PeerCertificates[0]
		_, err = conn.Write([]byte("GET /health HTTP/1.1\r\nHost: " + acmeHost + "\r\nConnection: close\r\n\r\n"))
		b, _ := io.ReadAll(conn)
		return err == nil && strings.Contains(string(b), "200 OK")
	})
	return leaf
}

// port returns the port of an address.
func port(addr string) int {
	_, text, _ := net.SplitHostPort(addr)
	n, _ := strconv.Atoi(text)
	return n
}
