package acmecert

import (
	"crypto/tls"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"webim/cmd/webim/internal/testcert"
	"webim/netpoll/wstest"
)

// TestCheckHost takes names that everybody knows, and nothing else.
func TestCheckHost(t *testing.T) {
	for _, host := range []string{"chat.example.org", "a.b", "xn--bcher-kva.example", "CHAT.example.org"} {
		if err := CheckHost(host); err != nil {
			t.Errorf("%q: %v", host, err)
		}
	}
	for _, host := range []string{"", "localhost", "192.0.2.1", "[::1]", "::1", "*.example.org", "chat.example.org:443", "https://chat.example.org", "bücher.example", "a b.example", "a..b"} {
		if CheckHost(host) == nil {
			t.Errorf("%q is taken", host)
		}
	}
}

// TestWithoutServer: without the ACME server there is no certificate, and the log says so once; handshakes fail at once, and
// pages are served.
func TestWithoutServer(t *testing.T) {
	m, err := New(Config{Hosts: []string{"chat.example.org"}, Folder: filepath.Join(t.TempDir(), "acme"), Directory: "https://" + wstest.FreeAddr(t).String() + "/dir"})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	var log wstest.Log
	m.Start(slog.New(slog.NewTextHandler(&log, nil)))
	wstest.Eventually(t, "the log has a line", func() bool { return log.String() != "" })
	if text := log.String(); !strings.Contains(text, "the ACME server has given no certificate") || !strings.Contains(text, "host=chat.example.org") || !strings.Contains(text, "connection refused") {
		t.Errorf("the log has %q", text)
	}
	for _, name := range []string{"", "chat.example.org", "Chat.Example.org.", "other.example.org"} {
		if _, err := m.Config().GetCertificate(&tls.ClientHelloInfo{ServerName: name}); err == nil || !strings.Contains(err.Error(), "there is no certificate for") {
			t.Errorf("%q: %v", name, err)
		}
	}
	if !m.Until().IsZero() {
		t.Errorf("a certificate until %v", m.Until())
	}
	w := httptest.NewRecorder()
	m.Over(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if w.Code != http.StatusTeapot {
		t.Errorf("a page: %d", w.Code)
	}
}

// TestProof: only a client that speaks the protocol of the proof gets its configuration.
func TestProof(t *testing.T) {
	m, err := New(Config{Hosts: []string{"a.example"}, Folder: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	for proto, want := range map[string]bool{"acme-tls/1": true, "http/1.1": false, "h2,acme-tls/1": false} {
		cfg, err := m.Config().GetConfigForClient(&tls.ClientHelloInfo{SupportedProtos: strings.Split(proto, ",")})
		if err != nil || (cfg != nil) != want {
			t.Errorf("%s: %v, %v", proto, cfg, err)
		}
	}
}

// TestCA reads the certificates by which the ACME server is verified.
func TestCA(t *testing.T) {
	cert, _ := testcert.New(t, 0, 1, "acme.example")
	good, bad := filepath.Join(t.TempDir(), "good"), filepath.Join(t.TempDir(), "bad")
	for path, text := range map[string]string{good: cert, bad: "no certificate"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string]string{good: "", bad: bad + " has no certificate in PEM", "/nowhere": "open /nowhere: no such file or directory"} {
		if _, err := New(Config{CA: path}); (err == nil) != (want == "") || err != nil && err.Error() != want {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
}

// TestLockOrder: the order of locks is written down.
func TestLockOrder(t *testing.T) { wstest.LockOrder(t) }

// TestOldClient: a client that wants a certificate with an RSA key makes nobody ask the ACME server.
func TestOldClient(t *testing.T) {
	var asked atomic.Int32
	ca := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer ca.Close()
	folder := t.TempDir()
	cert, key := testcert.New(t, 0, time.Hour, "chat.example.org")
	if err := os.WriteFile(filepath.Join(folder, "chat.example.org"), []byte(key+cert), 0o600); err != nil {
		t.Fatal(err)
	}
	m, err := New(Config{Hosts: []string{"chat.example.org"}, Folder: folder, Directory: ca.URL})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if err := m.obtain("chat.example.org", slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	for _, old := range []*tls.ClientHelloInfo{
		{ServerName: "chat.example.org", CipherSuites: []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}},
		{CipherSuites: modern.CipherSuites, SignatureSchemes: []tls.SignatureScheme{tls.PKCS1WithSHA256}},
	} {
		got, err := m.Config().GetCertificate(old)
		if err != nil || got.Leaf.DNSNames[0] != "chat.example.org" {
			t.Errorf("%v: %v", old, err)
		}
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("the ACME server was asked %d times", n)
	}
}
