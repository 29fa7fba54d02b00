// Package remote sends the requests of commands such as webim reload to the internal address of the server that runs with the same
// settings.
package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"

	"webim/cmd/webim/internal/config"
	"webim/cmd/webim/internal/listen"
)

// maxAnswer is the most bytes of an answer that are read.
const maxAnswer = 16 << 20

// Post sends an empty POST request for a path, with a key of the settings that has a right, and returns the text of the answer
// without its line break. It waits as long as ctx. The error is a *config.UsageError if the settings name no internal address or
// no key, and otherwise what the server says.
func Post(ctx context.Context, c *config.Config, path, right string) (text string, err error) {
	return ask(ctx, c, http.MethodPost, path, right)
}

// Get is Post with a GET request.
func Get(ctx context.Context, c *config.Config, path, right string) (text string, err error) {
	return ask(ctx, c, http.MethodGet, path, right)
}

func ask(ctx context.Context, c *config.Config, method, path, right string) (text string, err error) {
	key, err := c.OperatorKey(right)
	if err != nil {
		return "", err
	}
	a, err := listen.Parse(c.Internal)
	if err != nil {
		return "", err
	}
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, a.Network, a.Reachable())
	}}
	defer transport.CloseIdleConnections()
	r, err := http.NewRequestWithContext(ctx, method, "http://localhost"+path, nil)
	if err != nil {
		return "", err
	}
	r.Header.Set("X-API-Key", key)
	answer, err := transport.RoundTrip(r)
	if err != nil {
		return "", fmt.Errorf("no server answers at %s: %w", c.Internal, err)
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return "", fmt.Errorf("the answer of the server is cut off: %w", err)
	}
	text = strings.TrimRight(string(b), "\n")
	if answer.StatusCode == http.StatusUnauthorized && right != "reload" { // a reload knows the new keys
		text += " If the keys have just changed, run webim reload: then the server reads them"
	}
	if answer.StatusCode != http.StatusOK {
		return "", errors.New(strings.TrimSuffix(text, "."))
	}
	return strings.TrimSuffix(text, "."), nil
}
