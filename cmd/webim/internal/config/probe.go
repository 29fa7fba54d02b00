package config

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"sync"
	"syscall"
	"time"

	"webim/cmd/webim/internal/listen"
)

// probeTimeout limits the time for each probe.
const probeTimeout = 3 * time.Second

// probe tries the external things that the settings name, all at the same time: the addresses
// to listen on, the JWKS, and the hooks' URLs. A failed probe is only a warning, because it may
// succeed when serve does the same. probe connects to the hooks' backends but sends no request.
func (c *Config) probe(p *Prepared) (warnings []string) {
	var tries []func() string
	for _, key := range []string{"listen", "tls_listen", "internal"} {
		for _, text := range c.addresses(key) {
			tries = append(tries, func() string { return c.probeAddress(key, text) })
		}
	}
	if c.TokenJWKS != "" {
		tries = append(tries, func() string {
			ctx, cancel := context.WithTimeout(context.Background(), probeTimeout)
			defer cancel()
			if err := p.Tokens.FetchJWKS(ctx); err != nil {
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
func (c *Config) probeAddress(key, text string) string {
	a, err := listen.Parse(text)
	if err == nil {
		err = a.Bind()
	}
	if err == nil || errors.Is(err, syscall.EADDRINUSE) {
		return ""
	}
	return fmt.Sprintf("%s: %v", c.place(key), a.Explain(text, err))
}
