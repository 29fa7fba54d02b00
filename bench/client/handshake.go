package client

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"webim/bench/ws"
)

// maxAnswer is the maximum length of the answer to an upgrade request, in bytes.
const maxAnswer = 16 << 10

// handshake is the client's side of an upgrade (RFC 6455, section 4.1). A whole fleet uses one key, because the key
// protects from caching proxies and not from attackers. So checking an answer is a comparison instead of a SHA-1.
type handshake struct {
	host   string
	header http.Header
	key    string
	accept []byte

	last atomic.Pointer[agreement] // the last answer; most answers to a fleet are equal
}

// agreement is an answer and its terms.
type agreement struct {
	answer string
	terms  Terms
}

func NewHandshake(host string, cfg Config) *handshake {
	header := cfg.Header.Clone()
	if header == nil {
		header = http.Header{}
	}
	if cfg.Origin != "" {
		header.Set("Origin", cfg.Origin)
	}
	if len(cfg.Protocols) > 0 {
		header.Set("Sec-WebSocket-Protocol", strings.Join(cfg.Protocols, ", "))
	}
	if cfg.Compress {
		header.Set("Sec-WebSocket-Extensions", ws.DeflateOffer)
	}
	if own := header.Get("Host"); own != "" { // a request has one Host (RFC 9112, section 3.2): that of the user
		host = own
	}
	header.Del("Host")
	if u, err := url.Parse(cfg.URL); err == nil && u.User != nil && header.Get("Authorization") == "" {
		password, _ := u.User.Password()
		header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(u.User.Username()+":"+password)))
	}
	var nonce [16]byte
	_, _ = rand.Read(nonce[:]) // never fails, by its documentation
	key := base64.StdEncoding.EncodeToString(nonce[:])
	return &handshake{host: host, header: header, key: key, accept: []byte(ws.AcceptKey(key))}
}

// Request returns the upgrade request for a path.
func (h *handshake) Request(path string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n", path, h.host, h.key)
	_ = h.header.Write(&b) // a bytes.Buffer does not fail
	b.WriteString("\r\n")
	return b.Bytes()
}

// Refusal is the error for an answer with another status than 101.
type Refusal struct{ Status int }

func (r Refusal) Error() string { return "HTTP status " + strconv.Itoa(r.Status) }

var (
	errAnswer    = errors.New("the answer to the upgrade is not HTTP, or too long")
	errExtension = errors.New("the answer names an extension that was not offered, or permessage-deflate with parameters that the offer excludes")
	errProtocol  = errors.New("the answer names a subprotocol that was not offered")
	errAccept    = errors.New("the answer has no valid Sec-WebSocket-Accept")
)

// Check reads an answer and returns its length n, or 0 while it is incomplete.
func (h *handshake) Check(b []byte) (n int, err error) {
	end := bytes.Index(b, []byte("\r\n\r\n"))
	if end < 0 {
		if len(b) > maxAnswer {
			return 0, errAnswer
		}
		return 0, nil
	}
	if len(b) < 12 || !bytes.HasPrefix(b, []byte("HTTP/1.1 ")) {
		return 0, errAnswer
	}
	status, err := strconv.Atoi(string(b[9:12]))
	if err != nil {
		return 0, errAnswer
	}
	if status != http.StatusSwitchingProtocols {
		return 0, Refusal{status}
	}
	if !bytes.Contains(b[:end], h.accept) {
		return 0, errAccept
	}
	return end + 4, nil
}

// Terms are the extensions and the subprotocol that a handshake agreed on.
type Terms struct {
	Compressed bool
	Protocol   string
}

// agreed returns the terms of a complete answer. It compares the answer with the last one first, because parsing each
// header took 5 % of the client's time in a storm.
func (h *handshake) agreed(answer []byte) (Terms, error) {
	if last := h.last.Load(); last != nil && string(answer) == last.answer {
		return last.terms, nil
	}
	t, err := h.read(answer)
	if err == nil {
		h.last.Store(&agreement{string(answer), t})
	}
	return t, err
}

// read parses the terms of a complete answer. A client must fail the connection if the server chooses something that the
// client did not offer (RFC 6455, section 4.1).
func (h *handshake) read(answer []byte) (t Terms, err error) {
	_, fields, _ := bytes.Cut(answer, []byte("\r\n"))
	header, err := textproto.NewReader(bufio.NewReader(bytes.NewReader(fields))).ReadMIMEHeader()
	if err != nil {
		return t, errAnswer
	}
	if t.Protocol = header.Get("Sec-WebSocket-Protocol"); t.Protocol != "" {
		offered := strings.Split(h.header.Get("Sec-WebSocket-Protocol"), ", ")
		if !slices.Contains(offered, t.Protocol) {
			return t, errProtocol
		}
	}
	extensions := strings.Join(header.Values("Sec-WebSocket-Extensions"), ",")
	if extensions == "" {
		return t, nil
	}
	parts := strings.Split(strings.ToLower(strings.ReplaceAll(extensions, " ", "")), ";")
	if h.header.Get("Sec-WebSocket-Extensions") != ws.DeflateOffer || parts[0] != "permessage-deflate" || strings.Contains(extensions, ",") ||
		!slices.Contains(parts, "server_no_context_takeover") || slices.ContainsFunc(parts, func(p string) bool { return strings.HasPrefix(p, "client_max_window_bits") }) {
		return t, errExtension
	}
	t.Compressed = true
	return t, nil
}
