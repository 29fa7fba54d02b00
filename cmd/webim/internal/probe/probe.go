// Package probe asks a running webim whether it serves, as the health check of a container or a supervisor does.
package probe

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"

	"webim/cmd/webim/internal/listen"
)

// A Target is where webim listens on this machine.
type Target struct {
	Network string // tcp or unix
	Addr    string // host:port or path
	TLS     bool   // the certificate is not verified: it names the host of clients, not this address
}

// Ask asks the target for a path, such as /ready, and waits up to timeout. It returns the answer, without its line break.
// The error is one sentence; a status other than 200 is one.
func Ask(ctx context.Context, t Target, path string, timeout time.Duration) (answer string, err error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	transport := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, t.Network, listen.Address{Network: t.Network, Name: t.Addr}.Reachable())
		},
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true},
		DisableKeepAlives: true,
	}
	scheme := "http"
	if t.TLS {
		scheme = "https"
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://localhost"+path, nil)
	if err != nil {
		return "", err
	}
	response, err := (&http.Client{Transport: transport}).Do(r)
	if err != nil {
		return "", explain(t, timeout, err)
	}
	defer response.Body.Close()
	b, err := io.ReadAll(io.LimitReader(response.Body, 64<<10))
	if err != nil {
		return "", explain(t, timeout, err)
	}
	answer = strings.TrimSpace(string(b))
	if response.StatusCode != http.StatusOK {
		return answer, fmt.Errorf("webim on %s answers %s: %s", t.Addr, response.Status, answer)
	}
	return answer, nil
}

// explain returns a sentence for an error of a request.
func explain(t Target, timeout time.Duration, err error) error {
	var errno syscall.Errno
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("webim on %s has not answered within %v", t.Addr, timeout)
	case errors.As(err, &errno):
		return fmt.Errorf("nobody answers on %s: %w: start webim, or give this command the settings with which it runs", t.Addr, errno)
	}
	return fmt.Errorf("asking webim on %s: %w", t.Addr, err)
}
