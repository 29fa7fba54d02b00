package certs

import (
	"bytes"
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
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
	// Interval is the time between two reads of the files.
	Interval = 5 * time.Second
	// maxFile is the maximum size of one of the files, in bytes.
	maxFile = 1 << 20
)

// Certificates holds the certificate in use. After a reload, new handshakes use the new
// certificate, and existing connections keep theirs. It is safe for concurrent use.
type Certificates struct {
	current atomic.Pointer[tls.Certificate]

	mu                sync.Mutex
	certFile, keyFile string  // empty: the certificate was made at start and is never reloaded
	tried             pemPair // the contents of the files when they were last read
	bad               error   // why tried is not usable; nil if it is in use
	told              bool    // bad has been logged
	expired           bool    // the expiry of the certificate in use has been logged
}

// pemPair holds the contents of the two files, or the error of reading them.
type pemPair struct{ cert, key, err string }

// New loads the certificate, or makes one if certFile is empty.
func New(certFile, keyFile string) (*Certificates, error) {
	c := &Certificates{certFile: certFile, keyFile: keyFile}
	if certFile == "" {
		cert, err := Make(time.Now())
		c.current.Store(cert)
		return c, err
	}
	c.tried = c.read()
	cert, err := c.tried.parse()
	c.current.Store(cert)
	return c, err
}

// read reads both files.
func (c *Certificates) read() (p pemPair) {
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
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if len(b) > maxFile {
		err = fmt.Errorf("%s has more than %d bytes: it is not a certificate or key", path, maxFile)
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

// Look reads the files again and, if they have changed, puts the new pair into use. If the new
// pair is not usable, the old one stays in use. Look logs that once, when it sees the same bad
// pair for the second time, because a renewal may be half done the first time.
func (c *Certificates) Look(log *slog.Logger) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.certFile == "" || !c.regular() {
		return
	}
	now := c.read()
	if changed := now != c.tried; changed {
		var cert *tls.Certificate
		cert, c.bad = now.parse()
		c.tried, c.told = now, false
		if c.bad == nil {
			c.current.Store(cert)
			c.expired = false
			log.Info("the certificate was renewed: new connections get it", "tls_cert", c.certFile,
				"names", names(cert), "until", cert.Leaf.NotAfter)
			for _, warning := range warningsOf(cert, nil, time.Now()) {
				log.Warn(warning)
			}
		}
		return
	}
	if c.bad != nil && !c.told {
		c.told = true
		log.Warn("the new certificate cannot be used, so the old one stays in force", "tls_cert", c.certFile, "tls_key", c.keyFile, "err", c.bad)
	}
	if leaf := c.current.Load().Leaf; !c.expired && time.Now().After(leaf.NotAfter) {
		c.expired = true
		log.Warn("the certificate in use has expired: renew the files; webim reloads them by itself", "tls_cert", c.certFile, "until", leaf.NotAfter)
	}
}

// Same reports whether both have the same certificate in use, with the same chain. Certificates that were made at start are
// the same.
func (c *Certificates) Same(other *Certificates) bool {
	return c.certFile == "" && other.certFile == "" || slices.EqualFunc(c.current.Load().Certificate, other.current.Load().Certificate, bytes.Equal)
}

// Replace puts the certificate of next into use, with its files, unless both were made at start.
func (c *Certificates) Replace(next *Certificates) {
	if next.certFile == "" {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.certFile, c.keyFile, c.tried, c.bad, c.told, c.expired = next.certFile, next.keyFile, next.tried, nil, false, false
	c.current.Store(next.current.Load())
}

// regular reports whether both files can be read repeatedly without blocking, which excludes
// pipes. A missing file counts as regular, so that reading it yields the error.
func (c *Certificates) regular() bool {
	for _, path := range []string{c.certFile, c.keyFile} {
		if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
			return false
		}
	}
	return true
}

// Warnings returns the reasons for which clients will refuse the certificate in use, as sentences without
// final stops. hosts are the names by which clients connect.
func (c *Certificates) Warnings(hosts []string, now time.Time) []string {
	return warningsOf(c.current.Load(), hosts, now)
}

// Until returns the time at which the certificate in use expires.
func (c *Certificates) Until() time.Time { return c.current.Load().Leaf.NotAfter }

// Config returns the TLS configuration of a listener.
func (c *Certificates) Config() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.current.Load(), nil },
	}
}

// names returns the names and addresses in a certificate.
func names(cert *tls.Certificate) string {
	all := cert.Leaf.DNSNames
	for _, ip := range cert.Leaf.IPAddresses {
		all = append(all, ip.String())
	}
	return strings.Join(all, ", ")
}

// warningsOf is Warnings for a certificate.
func warningsOf(cert *tls.Certificate, hosts []string, now time.Time) (warnings []string) {
	const day = "2006-01-02 15:04 MST"
	leaf := cert.Leaf
	switch {
	case now.After(leaf.NotAfter):
		warnings = append(warnings, fmt.Sprintf("the certificate has expired, at %s, so that clients refuse it: renew it", leaf.NotAfter.UTC().Format(day)))
	case now.Before(leaf.NotBefore):
		warnings = append(warnings, fmt.Sprintf("the certificate is not valid before %s, so that clients refuse it until then: see whether this machine's clock is right", leaf.NotBefore.UTC().Format(day)))
	}
	if named := names(cert); named == "" {
		warnings = append(warnings, "the certificate names no host (subjectAltName), so that clients refuse it: make one with the server's host names")
	} else {
		for _, host := range hosts {
			if leaf.VerifyHostname(host) != nil {
				warnings = append(warnings, fmt.Sprintf("the certificate is for %s and not for %s, so that clients that connect to %s refuse it", named, host, host))
			}
		}
	}
	return warnings
}
