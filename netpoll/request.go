package netpoll

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// Request is the head of the request that asks for an upgrade. It is good
// only while the callback runs that got it: copy what is to last.
type Request struct {
	s      *Server
	r      *record
	list   []byte // memory of listed
	method []byte
	uri    []byte
	proto  []byte
	fields []field

	refused     *refusedError
	extra       []byte // header lines to add to the answer
	subprotocol string
	chosen      bool
	data        any

	path             string // see Path
	pathRead, pathOK bool
}

type field struct{ name, value []byte }

func (q *Request) reset(s *Server, r *record) {
	*q = Request{s: s, r: r, fields: q.fields[:0], extra: q.extra[:0], list: q.list[:0]}
}

// parse splits a head into its lines; scanHead has seen to the line ends.
func (q *Request) parse(head []byte) *refusedError {
	line, rest, _ := bytes.Cut(head, crlf)
	var ok1, ok2 bool
	q.method, line, ok1 = bytes.Cut(line, space)
	q.uri, q.proto, ok2 = bytes.Cut(line, space)
	if !ok1 || !ok2 || len(q.uri) == 0 || !bytes.HasPrefix(q.proto, []byte("HTTP/")) || bytes.IndexByte(q.proto, ' ') >= 0 {
		return errRequestLine
	}
	for {
		line, rest, _ = bytes.Cut(rest, crlf)
		if len(line) == 0 {
			return nil
		}
		name, value, ok := bytes.Cut(line, colon)
		if !ok || !isToken(name) {
			return errHeaderLine // a folded line too: it begins with a space
		}
		q.fields = append(q.fields, field{name, bytes.Trim(value, " \t")})
	}
}

var crlf, space, colon, comma, question = []byte("\r\n"), []byte(" "), []byte(":"), []byte(","), []byte("?")

// isToken: RFC 9110, section 5.6.2.
func isToken(b []byte) bool {
	for _, c := range b {
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return len(b) > 0
}

// get returns a header's first value and how often it is there.
func (q *Request) get(name string) (value []byte, n int) {
	for i := range q.fields {
		if f := &q.fields[i]; f.is(name) {
			if n++; n == 1 {
				value = f.value
			}
		}
	}
	return value, n
}

// all are the values of a header's lines, in their order.
func (q *Request) all(name string) (values []string) {
	for _, f := range q.fields {
		if f.is(name) {
			values = append(values, string(f.value))
		}
	}
	return values
}

// hasToken reports whether a comma-separated header has a token.
func (q *Request) hasToken(name, token string) bool {
	for _, f := range q.fields {
		if f.is(name) && listHas(f.value, token) {
			return true
		}
	}
	return false
}

// listHas reports whether a list has an element, in any case.
func listHas(list []byte, token string) bool {
	for t := range bytes.SplitSeq(list, comma) {
		if t = bytes.Trim(t, " \t"); len(t) < 2*len(token) && strings.EqualFold(string(t), token) {
			return true
		}
	}
	return false
}

func (q *Request) isUpgrade() bool { return q.hasToken("Upgrade", "websocket") }

// check says what is wrong with an upgrade: RFC 6455, section 4.2.1.
func (q *Request) check() *refusedError {
	_, hosts := q.get("Host")
	version, versions := q.get("Sec-WebSocket-Version")
	key, keys := q.get("Sec-WebSocket-Key")
	_, lengths := q.get("Content-Length")
	_, encodings := q.get("Transfer-Encoding")
	switch {
	case string(q.proto) != "HTTP/1.1":
		return errHTTPVersion
	case string(q.method) != http.MethodGet:
		return errMethod
	case hosts != 1:
		return errHost
	case lengths+encodings > 0 && !q.emptyBody():
		return errBody
	case !q.hasToken("Connection", "upgrade"):
		return errConnection
	case versions == 0:
		return errNoVersion
	case versions > 1 || string(version) != "13":
		return errVersion
	case keys != 1 || !validKey(key):
		return errKey
	}
	switch origin, n := q.get("Origin"); {
	case n == 0: // no browser
		return nil
	case n > 1 || len(origin) == 0:
		return errOrigin
	}
	return q.s.originAllowed(q)
}

func (q *Request) emptyBody() bool {
	length, n := q.get("Content-Length")
	_, encodings := q.get("Transfer-Encoding")
	return encodings == 0 && n == 1 && string(length) == "0"
}

func validKey(key []byte) bool {
	var b [18]byte
	n, err := base64.StdEncoding.Decode(b[:], key[:min(len(key), keyLen)])
	return len(key) == keyLen && err == nil && n == 16
}

// Path is the path of the URL, unescaped; "/" at least. ok is false if it is
// malformed.
func (q *Request) Path() (path string, ok bool) {
	if !q.pathRead {
		q.path, q.pathOK = pathOf(q.uri)
		q.pathRead = true
	}
	return q.path, q.pathOK
}

// pathOf is Path for a URI. Most consist of characters that mean themselves, and then
// a URL need not be made.
func pathOf(uri []byte) (path string, ok bool) {
	if uri[0] == '/' && !slices.ContainsFunc(uri, unplain) {
		uri, _, _ = bytes.Cut(uri, question)
		return string(uri), true
	}
	u, err := url.ParseRequestURI(string(uri))
	if err != nil {
		return "/", false
	}
	if u.Path == "" {
		return "/", true
	}
	return u.Path, true
}

// unplain reports whether a character of a URI may stand for another one, or may not
// stand there. RFC 3986, section 2.3, has the characters that mean themselves.
func unplain(c byte) bool {
	return !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("/-._~?=&", c) >= 0)
}

// Query returns the URL's parameters, those that are well-formed; nil if there are
// none.
func (q *Request) Query() url.Values {
	_, query, _ := bytes.Cut(q.uri, question)
	if len(query) == 0 {
		return nil
	}
	v, _ := url.ParseQuery(string(query))
	return v
}

// Host is the Host header.
func (q *Request) Host() string { return q.Header("Host") }

// Origin is the Origin header, "" if there is none: then it is no browser.
func (q *Request) Origin() string { return q.Header("Origin") }

// Header returns a header's value, "" if it is missing. Case of the name does not
// matter. The values of several lines are joined by commas (RFC 9110, section 5.3),
// those of Cookie by semicolons (RFC 6265, section 4.2.1).
func (q *Request) Header(name string) string {
	v, n := q.get(name)
	switch {
	case n <= 1:
		return string(v)
	case strings.EqualFold(name, "Cookie"):
		return strings.Join(q.all(name), "; ")
	}
	return strings.Join(q.all(name), ", ")
}

// Remote is the client's address, zero for a Unix socket. Behind a proxy that
// Config.Exempt lists it is what the proxy says (X-Forwarded-For), with port 0.
func (q *Request) Remote() netip.AddrPort { return q.s.addrs.addrPort(q.r.ip, q.r.port) }

// TLS reports whether the connection is encrypted.
func (q *Request) TLS() bool { return q.r.flags.Load()&fTLS != 0 }

// Subprotocol is what was chosen; "" if none.
func (q *Request) Subprotocol() string { return q.subprotocol }

// Refuse, called in Handshake, answers with an HTTP error instead of 101, and
// with the headers of AddHeader. text goes to the client as plain text. status
// is 400 to 599; any other is the caller's mistake and becomes 500.
func (q *Request) Refuse(status int, text string) {
	if status < 400 || status > 599 {
		status = http.StatusInternalServerError
	}
	q.refused = &refusedError{why: refuseHandler, status: status, text: text}
}

// AddHeader, called in Handshake, adds a header to the answer, be it 101 or
// that of Refuse. A name or value that could break the answer apart is an error,
// and so are the headers that say how the answer is to be read.
func (q *Request) AddHeader(name, value string) error {
	if !isToken([]byte(name)) || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return fmt.Errorf("netpoll: header %q has characters that are not allowed", name)
	}
	switch http.CanonicalHeaderKey(name) {
	case "Connection", "Content-Length", "Transfer-Encoding", "Upgrade", "Sec-Websocket-Accept", "Sec-Websocket-Extensions", "Sec-Websocket-Protocol":
		return fmt.Errorf("netpoll: header %q is the server's own", name)
	}
	q.extra = append(q.extra, name+": "+value+"\r\n"...)
	return nil
}

// SetSubprotocol, called in Handshake, chooses the subprotocol, which the
// client must have asked for; otherwise the first that it asked for and
// Config.Subprotocols has is chosen.
func (q *Request) SetSubprotocol(p string) { q.subprotocol, q.chosen = p, true }

// SetData, called in Handshake, stores a value with the connection to be.
func (q *Request) SetData(v any) { q.data = v }

// SameOrigin accepts a page that was loaded from the host and port that the
// request is for; it is the default of Config.CheckOrigin. The scheme is not
// compared, because a proxy in front may end TLS. A port that is missing on either
// side is the default one of the Origin's scheme. Case does not matter.
func SameOrigin(q *Request) bool {
	scheme, host, ok := ParseOrigin(q.Origin())
	if !ok {
		return false
	}
	_, own, ok := ParseOrigin(scheme + "://" + q.Host())
	return ok && host == own
}

// ParseOrigin reads an Origin header of a page: its scheme, http or https, and its host
// and port, in lower case and with the port that the scheme has by default. ok is false
// for all else, as "null".
func ParseOrigin(origin string) (scheme, hostPort string, ok bool) {
	scheme, host, ok := strings.Cut(strings.ToLower(origin), "://")
	port := map[string]string{"http": "80", "https": "443"}[scheme]
	if !ok || port == "" || host == "" || strings.ContainsAny(host, "/?#@\\ \t,") {
		return "", "", false
	}
	if name, own, err := net.SplitHostPort(host); err == nil {
		if name == "" || own == "" {
			return "", "", false
		}
		return scheme, net.JoinHostPort(name, own), true
	}
	name := host
	if bracketed := strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]"); bracketed {
		name = host[1 : len(host)-1]
	}
	if strings.ContainsAny(name, "[]") || strings.Contains(name, ":") != (name != host) { // brackets are of IPv6 addresses
		return "", "", false
	}
	return scheme, net.JoinHostPort(name, port), true
}

// AnyOrigin accepts every page, "null" too: any site that a user visits may
// then speak to the server in the user's name.
func AnyOrigin(*Request) bool { return true }
