package main

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A certificate is renewed by whoever renews it: by renaming files, by writing into
// them, or by swapping a symbolic link above both, as Kubernetes does; the key before
// the certificate or behind it; on a local disk, a bind mount or NFS. In each case the
// files have other contents afterwards. So the program reads them every few seconds and
// compares them with the contents of the last time: two small reads, without a watch
// that a rename loses and without a modification time that two writes share.

const (
	// certificateInterval is how often the files are read.
	certificateInterval = 5 * time.Second
	// maxCertificateFile is the most bytes of one of the files.
	maxCertificateFile = 1 << 20
)

// certificates has the certificate in use. Handshakes that begin after a reload get
// the new one, connections keep theirs. Safe for concurrent use.
type certificates struct {
	certFile, keyFile string // empty: one made at start, which is never reloaded
	current           atomic.Pointer[tls.Certificate]

	mu      sync.Mutex
	tried   pemPair // the contents of the files when they were last read
	bad     error   // why that cannot be used; nil: it is in use
	told    bool    // bad has been logged
	expired bool    // that the certificate in use has expired has been logged
}

// pemPair is the contents of the two files, or the reason why they cannot be read.
type pemPair struct{ cert, key, err string }

// newCertificates loads the certificate, or makes one if no file is named.
func newCertificates(certFile, keyFile string) (*certificates, error) {
	c := &certificates{certFile: certFile, keyFile: keyFile}
	if certFile == "" {
		cert, err := makeCertificate(time.Now())
		c.current.Store(cert)
		return c, err
	}
	c.tried = c.read()
	cert, err := c.tried.parse()
	c.current.Store(cert)
	return c, err
}

// read reads both files.
func (c *certificates) read() (p pemPair) {
	var err, err2 error
	p.cert, err = readPEM(c.certFile)
	p.key, err2 = readPEM(c.keyFile)
	if err = cmp.Or(err, err2); err != nil {
		p.err = err.Error()
	}
	return p
}

// readPEM reads a file that is no pipe: from a pipe nothing comes a second time.
func readPEM(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxCertificateFile+1))
	if len(b) > maxCertificateFile {
		err = fmt.Errorf("%s has more than %d bytes: it is no certificate or key", path, maxCertificateFile)
	}
	return string(b), err
}

// parse makes the certificate of the pair.
func (p pemPair) parse() (*tls.Certificate, error) {
	if p.err != "" {
		return nil, errors.New(p.err)
	}
	cert, err := tls.X509KeyPair([]byte(p.cert), []byte(p.key))
	if err != nil {
		return nil, errors.New(strings.TrimPrefix(err.Error(), "tls: "))
	}
	return &cert, nil
}

// look reads the files again and takes a new pair into use. A pair that cannot be used
// leaves the old one in force. It is logged once, when it is seen for the second time:
// seen for the first, it may be a renewal that has come half-way; or at once if a
// reload was asked for, by SIGHUP.
func (c *certificates) look(log *slog.Logger, asked bool) {
	if c.certFile == "" || !asked && !c.regular() {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.read()
	if changed := now != c.tried; changed {
		var cert *tls.Certificate
		cert, c.bad = now.parse()
		c.tried, c.told = now, false
		if c.bad == nil {
			c.current.Store(cert)
			c.expired = false
			log.Info("the certificate was renewed: new connections get it", "tls_cert", c.certFile,
				"names", certificateNames(cert), "until", cert.Leaf.NotAfter)
			for _, warning := range certificateWarnings(cert, nil, time.Now()) {
				log.Warn(warning)
			}
		}
		if !asked {
			return
		}
	}
	if c.bad != nil && (asked || !c.told) {
		c.told = true
		log.Warn("the new certificate cannot be used, so the old one stays in force", "tls_cert", c.certFile, "tls_key", c.keyFile, "err", c.bad)
	}
	if leaf := c.current.Load().Leaf; !c.expired && time.Now().After(leaf.NotAfter) {
		c.expired = true
		log.Warn("the certificate in use has expired: renew the files, which are read again by themselves", "tls_cert", c.certFile, "until", leaf.NotAfter)
	}
}

// regular reports whether both files can be read again and again without waiting, as
// pipes cannot. A file that is missing is read, for the error.
func (c *certificates) regular() bool {
	for _, path := range []string{c.certFile, c.keyFile} {
		if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
			return false
		}
	}
	return true
}

// config is the TLS configuration of a listener.
func (c *certificates) config() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.current.Load(), nil },
	}
}

// certificateNames are the names that a certificate is for.
func certificateNames(cert *tls.Certificate) string {
	names := cert.Leaf.DNSNames
	for _, ip := range cert.Leaf.IPAddresses {
		names = append(names, ip.String())
	}
	return strings.Join(names, ", ")
}

// certificateWarnings says why clients will refuse a certificate, as sentences without
// stops. hosts are the names by which they will ask for it.
func certificateWarnings(cert *tls.Certificate, hosts []string, now time.Time) (warnings []string) {
	const day = "2006-01-02 15:04 MST"
	leaf := cert.Leaf
	switch {
	case now.After(leaf.NotAfter):
		warnings = append(warnings, fmt.Sprintf("the certificate has expired, at %s, so that clients refuse it: renew it", leaf.NotAfter.UTC().Format(day)))
	case now.Before(leaf.NotBefore):
		warnings = append(warnings, fmt.Sprintf("the certificate is not valid before %s, so that clients refuse it until then: see whether this machine's clock is right", leaf.NotBefore.UTC().Format(day)))
	}
	if names := certificateNames(cert); names == "" {
		warnings = append(warnings, "the certificate names no host (subjectAltName), so that clients refuse it: make one that does")
	} else {
		for _, host := range hosts {
			if leaf.VerifyHostname(host) != nil {
				warnings = append(warnings, fmt.Sprintf("the certificate is for %s and not for %s, so that clients that ask for %s refuse it", names, host, host))
			}
		}
	}
	return warnings
}

// tlsHosts are the names by which clients ask for the certificate, as far as the
// settings tell: the hosts of the TLS addresses but for those that only say where to
// listen, and the names of the API where clients connect.
func (c *config) tlsHosts() (hosts []string) {
	for _, text := range c.TLSListen {
		a, err := parseAddress(text)
		if err != nil || a.network != "tcp" {
			continue
		}
		host, _, _ := net.SplitHostPort(a.name)
		if ip, err := netip.ParseAddr(host); host != "" && (err != nil || ip.IsLoopback()) {
			hosts = append(hosts, host)
		}
	}
	if c.API {
		hosts = append(hosts, c.APIHost...)
	}
	return hosts
}
