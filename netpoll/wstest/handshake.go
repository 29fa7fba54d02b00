package wstest

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
)

// The key of each handshake, and the answer to it (RFC 6455, section 1.3).
const (
	key    = "dGhlIHNhbXBsZSBub25jZQ=="
	accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
)

// Upgrade returns the request that opens a WebSocket for the path "/". Each header is a line
// without its end.
func Upgrade(headers ...string) []byte { return UpgradePath("/", headers...) }

// UpgradePath is Upgrade for a path. A header Host replaces "Host: localhost".
func UpgradePath(path string, headers ...string) []byte {
	lines := []string{"GET " + path + " HTTP/1.1"}
	if !slices.ContainsFunc(headers, func(h string) bool { return strings.HasPrefix(h, "Host:") }) {
		lines = append(lines, "Host: localhost")
	}
	lines = append(lines, "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: "+key)
	return []byte(strings.Join(append(lines, headers...), "\r\n") + "\r\n\r\n")
}

// Handshake sends Upgrade and returns the answer, whichever status it has. If that is 101, the
// value of Sec-WebSocket-Accept must be right.
func (c *Client) Handshake(headers ...string) *http.Response {
	c.t.Helper()
	r, err := c.TryHandshake("/", headers...)
	if err != nil {
		c.t.Fatal(err)
	}
	return r
}

// TryHandshake is Handshake for a path, and returns the error.
func (c *Client) TryHandshake(path string, headers ...string) (*http.Response, error) {
	defer c.Wait()()
	if err := c.TrySend(UpgradePath(path, headers...)); err != nil {
		return nil, err
	}
	r, err := c.TryResponse()
	if err == nil && r.StatusCode == http.StatusSwitchingProtocols && r.Header.Get("Sec-WebSocket-Accept") != accept {
		err = fmt.Errorf("wrong accept key: %v", r.Header)
	}
	return r, err
}

// Response reads an HTTP response with its body.
func (c *Client) Response() *http.Response {
	c.t.Helper()
	r, err := c.TryResponse()
	if err != nil {
		c.t.Fatalf("reading the response: %v", err)
	}
	return r
}

// TryResponse is Response, and returns the error.
func (c *Client) TryResponse() (*http.Response, error) {
	c.ResetDeadline()
	r, err := http.ReadResponse(c.Reader, nil)
	if err != nil {
		return nil, err
	}
	if r.StatusCode != http.StatusSwitchingProtocols {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, fmt.Errorf("in the body: %w", err)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	return r, nil
}
