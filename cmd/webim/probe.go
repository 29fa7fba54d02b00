package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// probeTimeout limits the time for each probe.
const probeTimeout = 3 * time.Second

// probe tries the external things that the settings name, all at the same time: the addresses
// to listen on, the JWKS, and the hooks' URLs. A failed probe is only a warning, because it may
// succeed when serve does the same. probe connects to the hooks' backends but sends no request.
func (c *config) probe(p *prepared) (warnings []string) {
	var tries []func() string
	for _, key := range []string{"listen", "tls_listen", "internal"} {
		for _, text := range c.addresses(key) {
			tries = append(tries, func() string { return c.probeAddress(key, text) })
		}
	}
	if p.tokens != nil && c.TokenJWKS != "" {
		tries = append(tries, func() string {
			ctx, cancel := context.WithTimeout(context.Background(), probeTimeout)
			defer cancel()
			if err := p.tokens.FetchJWKS(ctx); err != nil {
				return fmt.Sprintf("%s: %v", c.place("token_jwks"), err)
			}
			return ""
		})
	}
	for i, text := range c.hookURLs() {
		if text != "" {
			tries = append(tries, func() string {
				if err := reach(text); err != nil {
					return fmt.Sprintf("%s: %s cannot be reached from here: %v", c.place(hookKeys[i]), text, err)
				}
				return ""
			})
		}
	}
	said := make([]string, len(tries))
	var all sync.WaitGroup
	for i, try := range tries {
		all.Go(func() { said[i] = try() })
	}
	all.Wait()
	for _, text := range said {
		if text != "" {
			warnings = append(warnings, text)
		}
	}
	return warnings
}

// reach connects to the host of a valid URL, and for https does the TLS handshake.
func reach(text string) error {
	u, err := url.Parse(text)
	if err != nil {
		return err
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	ctx, cancel := context.WithTimeout(context.Background(), probeTimeout)
	defer cancel()
	dial := new(net.Dialer).DialContext
	if u.Scheme == "https" {
		dial = new(tls.Dialer).DialContext
	}
	conn, err := dial(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return err
	}
	return conn.Close()
}

// probeAddress explains why serve could not listen on an address. An address in use is not
// reported, because check may run beside the server.
func (c *config) probeAddress(key, text string) string {
	a, err := parseAddress(text)
	if err == nil {
		err = a.bind()
	}
	if err == nil || errors.Is(err, syscall.EADDRINUSE) {
		return ""
	}
	return fmt.Sprintf("%s: %v", c.place(key), a.cannotListen(text, err))
}

// bind binds a socket to the address for a moment without listening, so that no client is
// accepted. For a Unix socket it only checks the folder, because binding would leave a file
// behind.
func (a address) bind() error {
	if a.network == "unix" {
		return unix.Access(filepath.Dir(a.name), unix.W_OK|unix.X_OK)
	}
	addr, err := net.ResolveTCPAddr("tcp", a.listeners()[0].Addr)
	if err != nil {
		return err
	}
	if addr.Zone != "" {
		return nil // the zone needs an interface; not checked
	}
	family := unix.AF_INET6
	var to unix.Sockaddr = &unix.SockaddrInet6{Port: addr.Port, Addr: [16]byte(append(addr.IP.To16(), make([]byte, 16)...)[:16])}
	if ip := addr.IP.To4(); ip != nil {
		family, to = unix.AF_INET, &unix.SockaddrInet4{Port: addr.Port, Addr: [4]byte(ip)}
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	switch {
	case err == unix.EAFNOSUPPORT && addr.IP == nil:
		return nil // the address means all addresses, and those of IPv4 remain
	case err != nil:
		return err
	}
	defer unix.Close(fd)
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return err
	}
	return unix.Bind(fd, to)
}
