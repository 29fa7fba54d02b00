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

// Certificates are renewed in many ways: by renaming files, by writing into them, or by
// replacing a symbolic link above both, as Kubernetes does; the key before the certificate or
// after it; on a local disk, a bind mount or NFS. In each case the contents of the files
// change. So the program reads the files every few seconds and compares the contents: that
// costs two small reads, and it needs neither a watch, which a rename loses, nor a modification
// time, which two writes may share.

const (
	// certificateInterval is the time between two reads of the files.
	certificateInterval = 5 * time.Second
	// maxCertificateFile is the maximum size of one of the files, in bytes.
	maxCertificateFile = 1 << 20
)

// certificates holds the certificate in use. After a reload, new handshakes use the new
// certificate, and existing connections keep theirs. It is safe for concurrent use.
type certificates struct {
	certFile, keyFile string // empty: the certificate was made at start and is never reloaded
	current           atomic.Pointer[tls.Certificate]

	mu      sync.Mutex
	tried   pemPair // the contents of the files when they were last read
	bad     error   // why tried is not usable; nil if it is in use
	told    bool    // bad has been logged
	expired bool    // the expiry of the certificate in use has been logged
}

// pemPair holds the contents of the two files, or the error of reading them.
type pemPair struct{ cert, key, err string }

// newCertificates loads the certificate, or makes one if certFile is empty.
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

// readPEM reads a file. Regular files can be read again and again; pipes cannot, see regular.
func readPEM(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxCertificateFile+1))
	if len(b) > maxCertificateFile {
		err = fmt.Errorf("%s has more than %d bytes: it is not a certificate or key", path, maxCertificateFile)
	}
	return string(b), err
}

// parse returns the certificate of the pair.
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

// look reads the files again and, if they have changed, puts the new pair into use. If the new
// pair is not usable, the old one stays in use. look logs that once, when it sees the same bad
// pair for the second time, because a renewal may be half done the first time. If asked, as by
// SIGHUP, it logs at once.
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
		log.Warn("the certificate in use has expired: renew the files; webim reloads them by itself", "tls_cert", c.certFile, "until", leaf.NotAfter)
	}
}

// regular reports whether both files can be read repeatedly without blocking, which excludes
// pipes. A missing file counts as regular, so that reading it yields the error.
func (c *certificates) regular() bool {
	for _, path := range []string{c.certFile, c.keyFile} {
		if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
			return false
		}
	}
	return true
}

// config returns the TLS configuration of a listener.
func (c *certificates) config() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.current.Load(), nil },
	}
}

// certificateNames returns the names and addresses in a certificate.
func certificateNames(cert *tls.Certificate) string {
	names := cert.Leaf.DNSNames
	for _, ip := range cert.Leaf.IPAddresses {
		names = append(names, ip.String())
	}
	return strings.Join(names, ", ")
}

// certificateWarnings returns the reasons for which clients will refuse a certificate, as
// sentences without final stops. hosts are the names by which clients connect.
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
		warnings = append(warnings, "the certificate names no host (subjectAltName), so that clients refuse it: make one with the server's host names")
	} else {
		for _, host := range hosts {
			if leaf.VerifyHostname(host) != nil {
				warnings = append(warnings, fmt.Sprintf("the certificate is for %s and not for %s, so that clients that connect to %s refuse it", names, host, host))
			}
		}
	}
	return warnings
}

// tlsHosts returns the names by which clients connect with TLS, as far as the settings show:
// the hosts in tls_listen, except addresses that only say where to listen, and the API's host
// names if the clients' addresses serve the API.
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
