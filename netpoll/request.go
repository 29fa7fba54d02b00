package netpoll

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"webim/netpoll/internal/head"
	"webim/netpoll/internal/refusal"
)

// Request is the head of the request that asks for an upgrade. It is valid only until the callback
// that got it returns: copy everything that is needed later. It is not safe for concurrent use.
type Request struct {
	s    *Server
	r    *record
	head head.Head

	refused     *refusal.Error
	extra       []byte // header lines to add to the answer
	subprotocol string // chosen by the handler, then by the negotiation
	chosen      bool   // by the handler
	data        any

	path             string // see Path
	pathRead, pathOK bool
}

func (q *Request) reset(s *Server, r *record) {
	q.head.Reset()
	*q = Request{s: s, r: r, head: q.head, extra: q.extra[:0]}
}

// Path returns the unescaped path of the URL, at least "/". ok is false if it is malformed.
func (q *Request) Path() (path string, ok bool) {
	if !q.pathRead {
		q.path, q.pathOK = head.Path(q.head.URI)
		q.pathRead = true
	}
	return q.path, q.pathOK
}

// Query returns the parameters of the URL that are well-formed; nil if there are none.
func (q *Request) Query() url.Values { return head.Query(q.head.URI) }

// Host returns the Host header.
func (q *Request) Host() string { return q.Header("Host") }

// Origin returns the Origin header. It is "" if there is none: then the client is not a browser.
func (q *Request) Origin() string { return q.Header("Origin") }

// Header returns a header's value, "" if it is missing. Case of the name does not
// matter. The values of several lines are joined by commas (RFC 9110, section 5.3),
// those of Cookie by semicolons (RFC 6265, section 4.2.1).
func (q *Request) Header(name string) string {
	v, n := q.head.Get(name)
	switch {
	case n <= 1:
		return string(v)
	case strings.EqualFold(name, "Cookie"):
		return strings.Join(q.head.All(name), "; ")
	}
	return strings.Join(q.head.All(name), ", ")
}

// Remote returns the client's address, zero for a Unix socket. Behind a proxy that Config.Exempt
// lists, it is the address that the proxy names in X-Forwarded-For, with port 0, or the one in the
// header of the PROXY protocol, see Listener.ProxyProtocol.
func (q *Request) Remote() netip.AddrPort { return q.s.addrs.AddrPort(q.r.ip, q.r.port) }

// TLS reports whether the connection is encrypted.
func (q *Request) TLS() bool { return q.r.flags.Load()&fTLS != 0 }

// Subprotocol returns the chosen subprotocol, "" if there is none.
func (q *Request) Subprotocol() string { return q.subprotocol }

// Refuse, called in Handshaker.Handshake, answers with an HTTP error instead of 101, and with the
// headers of AddHeader. The client gets text as plain text. status is 400 to 599; any other is the
// caller's mistake and becomes 500.
func (q *Request) Refuse(status int, text string) {
	if status < 400 || status > 599 {
		status = http.StatusInternalServerError
	}
	q.refused = &refusal.Error{Why: refusal.Handler, Status: status, Text: text}
}

// AddHeader, called in Handshaker.Handshake, adds a header to the answer, whether that is 101 or the
// one of Refuse. A name or value that could break the answer apart is an error, and so is a header
// that decides how the answer is read.
func (q *Request) AddHeader(name, value string) error {
	if !head.ValidField(name, value) {
		return fmt.Errorf("netpoll: header %q has characters that are not allowed", name)
	}
	switch http.CanonicalHeaderKey(name) {
	case "Connection", "Content-Length", "Transfer-Encoding", "Upgrade", "Sec-Websocket-Accept", "Sec-Websocket-Extensions", "Sec-Websocket-Protocol":
		return fmt.Errorf("netpoll: header %q is the server's own", name)
	}
	q.extra = append(q.extra, name+": "+value+"\r\n"...)
	return nil
}

// SetSubprotocol, called in Handshaker.Handshake, chooses the subprotocol. If the client has not
// asked for it, none is chosen. Without SetSubprotocol, the first one of the client's that
// Config.Subprotocols has is chosen.
func (q *Request) SetSubprotocol(p string) { q.subprotocol, q.chosen = p, true }

// SetData, called in Handshaker.Handshake, stores a value with the connection; see Conn.Data. Config.NeverOpened finds it also
// after Refuse.
func (q *Request) SetData(v any) { q.data = v }

// SameOrigin accepts a page that was loaded from the host and port of the request. It is the default
// of Config.CheckOrigin. It does not compare the scheme, because a proxy in front may end TLS. On
// both sides a missing port is the default port of the Origin's scheme, and case does not matter.
func SameOrigin(q *Request) bool {
	scheme, host, ok := ParseOrigin(q.Origin())
	if !ok {
		return false
	}
	_, own, ok := ParseOrigin(scheme + "://" + q.Host())
	return ok && host == own
}

// ParseOrigin reads an Origin header of a page. It returns the scheme, http or https, and the host
// with the port, in lower case and with the scheme's default port if there is none. ok is false for
// all other values, for example "null".
func ParseOrigin(origin string) (scheme, hostPort string, ok bool) { return head.ParseOrigin(origin) }

// AnyOrigin accepts every page, also "null". Then any site that a user visits may talk to the server
// in the user's name.
func AnyOrigin(*Request) bool { return true }
