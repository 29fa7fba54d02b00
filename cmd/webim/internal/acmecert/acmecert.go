package acmecert

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"
	"golang.org/x/net/idna"

	"webim/cmd/webim/internal/secrets"
)

// After a failure the next try waits for firstPause, and twice as long after each further one, up to longestPause: ACME
// servers refuse accounts that ask too often.
const (
	firstPause   = 2 * time.Minute // autocert remembers a failure for one minute
	longestPause = time.Hour
	// look is the time between two looks at the certificates in use.
	look = time.Hour
)

// Config is the configuration of a Manager.
type Config struct {
	Hosts     []string // names that the certificates are for, one each
	Folder    string   // where certificates and the account's key are kept; made if it does not exist
	Directory string   // address of the ACME server
	Email     string   // where the ACME server writes to if something is wrong; "": nowhere
	CA        string   // file with certificates in PEM by which the ACME server is verified; "": those of the system
}

// A Manager has the certificates. It is safe for concurrent use.
type Manager struct {
	hosts  []string
	acme   *autocert.Manager
	client *http.Client
	cancel context.CancelFunc

	mu    sync.Mutex
	until map[string]time.Time // of the certificates in use, by host
}

// New returns a Manager. It asks nobody; Start does.
func New(c Config) (*Manager, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if c.CA != "" {
		b, err := secrets.ReadFile(c.CA)
		if err != nil {
			return nil, err
		}
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(b) {
			return nil, fmt.Errorf("%s has no certificate in PEM", c.CA)
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: roots}
	}
	client := &http.Client{Transport: transport, Timeout: time.Minute}
	return &Manager{
		hosts:  c.Hosts,
		client: client,
		until:  map[string]time.Time{},
		cancel: func() {},
		acme: &autocert.Manager{
			Prompt:     autocert.AcceptTOS,
			Cache:      autocert.DirCache(c.Folder),
			HostPolicy: autocert.HostWhitelist(c.Hosts...),
			Email:      c.Email,
			Client:     &acme.Client{DirectoryURL: c.Directory, HTTPClient: client, UserAgent: "webim"},
		},
	}, nil
}

// CheckHost returns an error if no ACME server gives a certificate for a name to anybody.
func CheckHost(host string) error {
	ascii, err := idna.Lookup.ToASCII(host)
	switch {
	case err != nil || strings.ContainsAny(host, ":/*") || ascii != strings.ToLower(host):
		return errors.New("is not the name of a host: write it as chat.example.org, without a port")
	case !strings.Contains(host, ".") || strings.Contains(host, "..") || strings.Trim(host[strings.LastIndexByte(host, '.')+1:], "0123456789") == "":
		return errors.New("is not a name that everybody knows: write the name by which clients connect, as chat.example.org")
	}
	return nil
}

// Start gets the certificates that are missing, one after the other, on a goroutine that ends with Close.
func (m *Manager) Start(log *slog.Logger) {
	ctx, cancel := context.WithCancel(context.Background())
	m.cancel = cancel
	go m.watch(ctx, log)
}

// Close ends the goroutine of Start. It does not wait for the ACME server.
func (m *Manager) Close() {
	m.cancel()
	m.client.CloseIdleConnections()
}

// watch gets the certificate of each host, and notices that autocert has renewed one.
func (m *Manager) watch(ctx context.Context, log *slog.Logger) {
	pause := firstPause
	for {
		wait := look
		for _, host := range m.hosts {
			if err := m.obtain(host, log); err != nil {
				log.Warn("the ACME server has given no certificate: clients of this host cannot connect with TLS until it does", "host", host, "err", err, "again", pause)
				wait = pause
			}
		}
		if wait == look {
			pause = firstPause
		} else {
			pause = min(2*pause, longestPause)
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

// modern is the offer of a client of today, as far as autocert looks at it: such a client gets a certificate with an ECDSA key.
var modern = tls.ClientHelloInfo{
	CipherSuites:     []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256},
	SupportedCurves:  []tls.CurveID{tls.CurveP256},
	SignatureSchemes: []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256},
}

// obtain gets a certificate from the folder or the ACME server, and puts it into use.
func (m *Manager) obtain(host string, log *slog.Logger) error {
	hello := modern
	hello.ServerName = host
	cert, err := m.acme.GetCertificate(&hello)
	if err != nil {
		return err
	}
	m.mu.Lock()
	before := m.until[host]
	m.until[host] = cert.Leaf.NotAfter
	m.mu.Unlock()
	if !before.Equal(cert.Leaf.NotAfter) {
		log.Info("the certificate of the ACME server is in use", "host", host, "until", cert.Leaf.NotAfter)
	}
	return nil
}

// Until returns the time at which the first of the certificates expires, zero if one is missing.
func (m *Manager) Until() (first time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, host := range m.hosts {
		until, ok := m.until[host]
		if !ok {
			return time.Time{}
		}
		if i == 0 || until.Before(first) {
			first = until
		}
	}
	return first
}

// Config returns the TLS configuration of a listener. Until a host has its certificate, handshakes for it fail at once. A
// client that names no host gets the certificate of the first one.
func (m *Manager) Config() *tls.Config {
	proving := &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: m.acme.GetCertificate, NextProtos: []string{acme.ALPNProto}}
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: m.certificate,
		GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			if slices.Equal(hello.SupportedProtos, []string{acme.ALPNProto}) {
				return proving, nil
			}
			return nil, nil
		},
	}
}

// certificate returns the certificate for a client, whose key is of the kind ECDSA for all of them: a client must not be able
// to order another one, nor to make its handshake wait for the ACME server.
func (m *Manager) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	asked := modern
	asked.ServerName = hello.ServerName
	if asked.ServerName == "" {
		asked.ServerName = m.hosts[0]
	}
	asked.ServerName = strings.ToLower(strings.TrimSuffix(asked.ServerName, "."))
	m.mu.Lock()
	_, ready := m.until[asked.ServerName]
	m.mu.Unlock()
	if !ready {
		return nil, fmt.Errorf("there is no certificate for %q yet", asked.ServerName)
	}
	return m.acme.GetCertificate(&asked)
}

// Over returns a handler that answers the ACME server, and passes all other requests to rest.
func (m *Manager) Over(rest http.Handler) http.Handler {
	proving := m.acme.HTTPHandler(rest)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, "/.well-known/acme-challenge/") {
			rest.ServeHTTP(w, r)
			return
		}
		if host, _, err := net.SplitHostPort(r.Host); err == nil { // port 80 may lead to another one here
			r = r.Clone(r.Context())
			r.Host = host
		}
		proving.ServeHTTP(w, r)
	})
}
