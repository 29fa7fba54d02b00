package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"go.uber.org/goleak"

	"webim/cmd/webim/internal/certs"
	"webim/cmd/webim/internal/config"
	"webim/netpoll/wstest"
)

// patience is the deadline for everything that a test waits for.
var patience = wstest.Patience

// startProgram runs the program of `webim serve` in this process. At the end of the test it stops the
// program, and fails the test if a goroutine is left.
func startProgram(t *testing.T, flags ...string) *program {
	t.Helper()
	return startProgramOf(t, "", flags...)
}

// startProgramOf is startProgram with a file of settings.
func startProgramOf(t *testing.T, file string, flags ...string) *program {
	t.Helper()
	running := goleak.IgnoreCurrent()
	command, given := parseFlags(t, flags...)
	c, err := config.Load(&command.Settings, given, nil, file)
	if err != nil {
		t.Fatal(err)
	}
	p := newProgram(c, io.Discard)
	if err := p.start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.stop()
		goleak.VerifyNone(t, running,
			// The library for Go waits its timeout for replies, be they there or not.
			goleak.IgnoreAnyFunction("github.com/centrifugal/centrifuge-go.(*Client).sendAsync.func1"))
	})
	return p
}

// running runs a program that has started, until SIGINT, which end sends.
func (p *program) running(t *testing.T) (end func()) {
	come, ended := make(chan os.Signal, 1), make(chan error, 1)
	p.signals = &signalled{ends: come}
	go func() { ended <- newRunner(p).run() }()
	return func() {
		t.Helper()
		come <- syscall.SIGINT
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

// A client is one WebSocket of a test.
type client struct {
	*wstest.Client
	t *testing.T
}

// dial opens a WebSocket for the path "/", over TLS if tlsConfig is not nil. For a refusal, it returns
// nil and the HTTP status.
func dial(t *testing.T, network, addr, origin string, tlsConfig *tls.Config) (*client, int) {
	t.Helper()
	conn, err := net.DialTimeout(network, addr, patience)
	if err != nil {
		t.Fatal(err)
	}
	c := &client{wstest.NewClient(t, conn), t}
	if tlsConfig != nil {
		if err := c.StartTLS(conn, tlsConfig); err != nil {
			t.Fatal(err)
		}
	}
	headers := []string{"Host: 127.0.0.1"}
	if origin != "" {
		headers = append(headers, "Origin: "+origin)
	}
	return c.open("/", headers...)
}

// open sends the handshake for a path. For a refusal, it returns nil and the HTTP status.
func (c *client) open(path string, headers ...string) (*client, int) {
	c.t.Helper()
	r, err := c.TryHandshake(path, headers...)
	if err != nil {
		c.t.Fatal(err)
	}
	if r.StatusCode != http.StatusSwitchingProtocols {
		return nil, r.StatusCode
	}
	return c, r.StatusCode
}

// connect opens a WebSocket for a path over TCP, which must succeed.
func connect(t *testing.T, addr, path string, headers ...string) *client {
	t.Helper()
	return &client{wstest.ConnectPath(t, addr, path, headers...), t}
}

// say sends a text.
func (c *client) say(text string) {
	c.t.Helper()
	c.Send(0x81, text)
}

// text reads a text.
func (c *client) text() string {
	c.t.Helper()
	op, payload, err := c.ReadMessage()
	if err != nil || op != ws.OpText {
		c.t.Fatalf("got a frame with the opcode %x, %q, %v; want a text", op, payload, err)
	}
	return string(payload)
}

// reads reads one text and compares it.
func (c *client) reads(want string) {
	c.t.Helper()
	if got := c.text(); got != want {
		c.t.Fatalf("got %q, want %q", got, want)
	}
}

// echo sends a text and reads it as a member of the room.
func (c *client) echo(text string) {
	c.t.Helper()
	c.say(text)
	c.reads(text)
}

// TestOrigins connects to the real server. With --dev, any page of this machine may connect; without
// it, pages of the same origin and of the listed ones.
func TestOrigins(t *testing.T) {
	dev := startProgram(t, "--dev", "--listen", "127.0.0.1:0")
	strict := startProgram(t, "--open", "--listen", "127.0.0.1:0", "--allow-origin", "https://chat.example.com,null", "--allow-origin", "http://a.example:81", "--shutdown-spread", "0s")
	plain := startProgram(t, "--open", "--listen", "127.0.0.1:0", "--shutdown-spread", "0s")
	for _, c := range []struct {
		origin             string
		dev, strict, plain bool
	}{
		{"", true, true, true}, // no browser
		{"http://127.0.0.1", true, true, true},
		{"https://127.0.0.1", true, true, true}, // the scheme is not compared: a proxy may end TLS
		{"http://127.0.0.1:1", true, false, false},
		{"http://localhost:8080", true, false, false},
		{"https://[::1]", true, false, false},
		{"null", true, true, false},
		{"https://chat.example.com", false, true, false},
		{"http://a.example:81", false, true, false},
		{"http://a.example", false, false, false},
		{"http://chat.example.com", false, false, false},
		{"https://chat.example.com:443", false, true, false},
		{"https://CHAT.example.com", false, true, false},
		{"https://chat.example.com.evil.example", false, false, false},
		{"https://evil-chat.example.com", false, false, false},
	} {
		for _, s := range []struct {
			name string
			p    *program
			want bool
		}{{"dev", dev, c.dev}, {"strict", strict, c.strict}, {"plain", plain, c.plain}} {
			want := http.StatusForbidden
			if s.want {
				want = http.StatusSwitchingProtocols
			}
			if conn, got := dial(t, "tcp", s.p.plain[0].String(), c.origin, nil); got != want {
				t.Errorf("%s, origin %q: %d, want %d", s.name, c.origin, got, want)
			} else if conn != nil {
				conn.echo("hello")
			}
		}
	}
}

// TestDevCertificate checks that the certificate is valid for localhost only.
func TestDevCertificate(t *testing.T) {
	p := startProgram(t, "--dev", "--listen", "127.0.0.1:0", "--tls-listen", "127.0.0.1:0")
	inUse, err := p.Certs.Config().GetCertificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(inUse.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	addr := p.secure[0].String()
	for _, name := range []string{"127.0.0.1", "::1", "localhost"} {
		c, _ := dial(t, "tcp", addr, "https://127.0.0.1", &tls.Config{RootCAs: roots, ServerName: name})
		c.echo(name)
	}
	_, err = tls.DialWithDialer(&net.Dialer{Timeout: patience}, "tcp", addr, &tls.Config{RootCAs: roots, ServerName: "example.com"})
	if err == nil {
		t.Error("the certificate is good for example.com too")
	}
	// The two ports belong to one server: a message sent on one arrives on the other.
	plain, _ := dial(t, "tcp", p.plain[0].String(), "", nil)
	secure, _ := dial(t, "tcp", addr, "", &tls.Config{RootCAs: roots, ServerName: "localhost"})
	secure.echo("from wss")
	plain.reads("from wss")
}

// writeCertificate makes a certificate in files, and returns its fingerprint:
// its DER.
func writeCertificate(t *testing.T, certFile, keyFile string) (der string) {
	t.Helper()
	cert, err := certs.Make(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{
		certFile: {Type: "CERTIFICATE", Bytes: cert.Certificate[0]}, keyFile: {Type: "PRIVATE KEY", Bytes: key},
	} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return string(cert.Certificate[0])
}

func TestCertificateReload(t *testing.T) {
	certFile, keyFile := filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")
	first := writeCertificate(t, certFile, keyFile)
	p := startProgram(t, "--open", "--tls-cert", certFile, "--tls-key", keyFile, "--tls-listen", "127.0.0.1:0", "--shutdown-spread", "0s")
	connect := func(want string) *client {
		t.Helper()
		var got string
		c, _ := dial(t, "tcp", p.secure[0].String(), "", &tls.Config{
			InsecureSkipVerify: true, // compared below
			VerifyConnection: func(s tls.ConnectionState) error {
				got = string(s.PeerCertificates[0].Raw)
				return nil
			},
		})
		if got != want {
			t.Fatal("the server showed another certificate")
		}
		return c
	}
	old := connect(first)

	second := writeCertificate(t, certFile, keyFile)
	p.reload("a test")
	connect(second).echo("new")
	old.reads("new") // all are in the lobby

	if err := os.WriteFile(keyFile, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.reload("a test")
	connect(second).echo("the good one stays")
}
