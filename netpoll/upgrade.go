package netpoll

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"
)

// refusal is a reason to turn a connection away before it is open, as counted
// in Stats.Refused.
type refusal string

const (
	refuseNotHTTP   refusal = "not http"
	refuseMalformed refusal = "malformed request"
	refuseTooLarge  refusal = "head too large"
	refuseMethod    refusal = "method"
	refuseVersion   refusal = "websocket version"
	refuseKey       refusal = "websocket key"
	refuseOrigin    refusal = "origin"
	refuseHandler   refusal = "handler"
	refuseFull      refusal = "server full"
	refusePerIP     refusal = "too many from address"
	refuseHTTPFull  refusal = "too many http connections"
	refuseUnsaid    refusal = "server full, closed unanswered"
)

// err is the answer to who comes at a limit.
func (why refusal) err() *refusedError {
	return &refusedError{why: why, status: http.StatusServiceUnavailable, text: "server is at its limit: " + string(why),
		header: "Retry-After: 5\r\n"}
}

// A refusedError is an HTTP answer other than 101. Nothing that the client
// sent is echoed in it.
type refusedError struct {
	why    refusal
	status int
	text   string
	header string
}

func (e *refusedError) Error() string { return e.text }

func malformed(text string) *refusedError {
	return &refusedError{why: refuseMalformed, status: http.StatusBadRequest, text: text}
}

var (
	errNotHTTP      = &refusedError{why: refuseNotHTTP, status: http.StatusBadRequest, text: "this is not an HTTP request; is it TLS on a plain port?"}
	errHeadTooLarge = &refusedError{why: refuseTooLarge, status: http.StatusRequestHeaderFieldsTooLarge, text: "request head over 8 KB or 64 lines"}
	errBareLF       = malformed("line ends with a bare LF")
	errBadByte      = malformed("control character in the request head")
	errRequestLine  = malformed("malformed request line")
	errHeaderLine   = malformed("malformed header line")
	errHost         = malformed("exactly one Host header is needed")
	errHTTPVersion  = malformed("WebSocket needs HTTP/1.1")
	errConnection   = malformed("Connection header must contain Upgrade")
	errBody         = malformed("an upgrade must have no body")
	errKey          = &refusedError{why: refuseKey, status: http.StatusBadRequest, text: "Sec-WebSocket-Key must be 16 bytes in base64, once"}
	errMethod       = &refusedError{why: refuseMethod, status: http.StatusMethodNotAllowed, text: "WebSocket needs GET", header: "Allow: GET\r\n"}
	errNoVersion    = &refusedError{why: refuseVersion, status: http.StatusBadRequest, text: "Sec-WebSocket-Version: 13 is missing",
		header: "Sec-WebSocket-Version: 13\r\n"}
	errVersion = &refusedError{why: refuseVersion, status: http.StatusUpgradeRequired, text: "only WebSocket version 13 is spoken",
		header: "Sec-WebSocket-Version: 13\r\nUpgrade: websocket\r\n"}
	errOrigin     = &refusedError{why: refuseOrigin, status: http.StatusForbidden, text: "origin is not allowed"}
	errExtensions = malformed("malformed Sec-WebSocket-Protocol or Sec-WebSocket-Extensions header")
)

// Request is the head of the request that asks for an upgrade. It is good
// only while the callback runs that got it: copy what is to last.
type Request struct {
	s      *Server
	r      *record
	raw    []byte
	method []byte
	uri    []byte
	proto  []byte
	fields []field

	refused     *refusedError
	extra       []byte // header lines to add to the answer
	subprotocol string
	chosen      bool
	data        any
}

type field struct{ name, value []byte }

func (q *Request) reset(s *Server, r *record) {
	*q = Request{s: s, r: r, fields: q.fields[:0], extra: q.extra[:0]}
}

// parse splits a head into its lines; scanHead has seen to the line ends.
func (q *Request) parse(head []byte) *refusedError {
	q.raw = head
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

var crlf, space, colon = []byte("\r\n"), []byte(" "), []byte(":")

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
	for _, f := range q.fields {
		if len(f.name) == len(name) && strings.EqualFold(string(f.name), name) {
			if n++; n == 1 {
				value = f.value
			}
		}
	}
	return value, n
}

// hasToken reports whether a comma-separated header has a token.
func (q *Request) hasToken(name, token string) bool {
	for _, f := range q.fields {
		if strings.EqualFold(string(f.name), name) && headerHasToken([]string{string(f.value)}, token) {
			return true
		}
	}
	return false
}

func headerHasToken(values []string, token string) bool {
	for _, v := range values {
		for t := range strings.SplitSeq(v, ",") {
			if strings.EqualFold(strings.Trim(t, " \t"), token) {
				return true
			}
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
	if origin, n := q.get("Origin"); n > 1 || n == 1 && (len(origin) == 0 || !q.s.cfg.CheckOrigin(q)) {
		return errOrigin
	}
	return nil
}

func (q *Request) emptyBody() bool {
	length, n := q.get("Content-Length")
	_, encodings := q.get("Transfer-Encoding")
	return encodings == 0 && n == 1 && string(length) == "0"
}

func validKey(key []byte) bool {
	var b [18]byte
	n, err := base64.StdEncoding.Decode(b[:], key[:min(len(key), 24)])
	return len(key) == 24 && err == nil && n == 16
}

// Path is the path of the URL, unescaped; "/" at least. ok is false if it is
// malformed.
func (q *Request) Path() (path string, ok bool) {
	u, err := url.ParseRequestURI(string(q.uri))
	if err != nil {
		return "/", false
	}
	if u.Path == "" {
		return "/", true
	}
	return u.Path, true
}

// Query returns the URL's parameters, those that are well-formed.
func (q *Request) Query() url.Values {
	_, query, _ := strings.Cut(string(q.uri), "?")
	v, _ := url.ParseQuery(query)
	return v
}

// Host is the Host header.
func (q *Request) Host() string { return q.Header("Host") }

// Origin is the Origin header, "" if there is none: then it is no browser.
func (q *Request) Origin() string { return q.Header("Origin") }

// Header returns a header's first value, "" if it is missing. Case of the name
// does not matter.
func (q *Request) Header(name string) string {
	v, _ := q.get(name)
	return string(v)
}

// Remote is the client's address, zero for a Unix socket.
func (q *Request) Remote() netip.AddrPort { return q.s.addrs.addrPort(q.r.ip, q.r.port) }

// TLS reports whether the connection is encrypted.
func (q *Request) TLS() bool { return q.r.flags.Load()&fTLS != 0 }

// Subprotocol is what was chosen; "" if none.
func (q *Request) Subprotocol() string { return q.subprotocol }

// Refuse, called in Handshake, answers with an HTTP error instead of 101.
// status is 400 to 599; text goes to the client as plain text.
func (q *Request) Refuse(status int, text string) {
	q.refused = &refusedError{why: refuseHandler, status: status, text: text}
}

// AddHeader, called in Handshake, adds a header to the answer. A name or value
// that could break the answer apart is an error.
func (q *Request) AddHeader(name, value string) error {
	if !isToken([]byte(name)) || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return fmt.Errorf("netpoll: header %q has characters that are not allowed", name)
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
// compared, because a proxy in front may end TLS. What it compares it compares
// exactly: browsers send both in lower case.
func SameOrigin(q *Request) bool {
	scheme, host, ok := strings.Cut(q.Origin(), "://")
	return ok && (scheme == "http" || scheme == "https") && host != "" && host == q.Host()
}

// AnyOrigin accepts every page, "null" too: any site that a user visits may
// then speak to the server in the user's name.
func AnyOrigin(*Request) bool { return true }

// upgrade answers an upgrade and opens the connection. behind is what came
// after the head: frames that must not be lost.
func (s *Server) upgrade(w *worker, r *record, q *Request, behind []byte) (more bool) {
	if bad := q.check(); bad != nil {
		s.refuse(r, bad)
		return false
	}
	answer, n, bad := s.negotiate(q, w.answer[:0])
	if bad != nil {
		s.refuse(r, bad)
		return false
	}
	w.answer = answer
	flags := fOpen | fFirst
	if n.accepted {
		flags |= fDeflate
	}
	if n.small {
		flags |= fSmallWindow
	}
	r.mu.Lock()
	if r.w&wClosing != 0 { // the server is shutting down
		r.mu.Unlock()
		return false
	}
	if q.data != nil {
		s.extraLocked(r).data = q.data
	}
	// The answer must come first on the wire, but Open first in time: who has
	// read 101 must be in the room. So the write bit is held over Open, and
	// what is pushed meanwhile is queued.
	r.w |= wBit
	r.mu.Unlock()
	r.stage = stageOpen
	r.flags.Or(flags)
	s.addrs.opened(r.ip)
	s.stats.opened.Add(1)
	s.stats.open.Add(1)
	s.wheelOf(r).arm(r, s.clock.now.Load()+s.firstPing())
	s.opening(r, q)
	s.writeFirst(r, answer)
	if len(behind) > 0 {
		in := &input{rest: bytes.Clone(behind), ready: true}
		in.held = cap(in.rest)
		s.unfinished.Add(int64(in.held))
		r.input = s.inputs.put(in)
	}
	if r.flags.Load()&fClosing != 0 {
		return false
	}
	return s.readOpen(w, r)
}

// writeFirst writes b before all that is queued, with the write bit held, and
// lets the bit go.
func (s *Server) writeFirst(r *record, b []byte) {
	n, errno := 0, unix.Errno(0)
	if r.flags.Load()&fTLS == 0 {
		n, errno = s.write(int(r.fd), b)
	}
	r.mu.Lock()
	r.bytesOut += uint64(n)
	if n < len(b) && r.flags.Load()&fAbort == 0 {
		rest := newBuffer(bytes.Clone(b[n:]))
		s.frontLocked(r, ref{rest, rest.b}, n > 0)
		s.failedLocked(r, errno)
	}
	s.unlockWriter(r)
}

// negotiate asks the handler, then lets gobwas' Upgrader write the answer: it
// chooses among what the client offers.
func (s *Server) negotiate(q *Request, answer []byte) ([]byte, negotiation, *refusedError) {
	var n negotiation
	s.handshaking(q)
	if q.refused != nil {
		return nil, n, q.refused
	}
	u := ws.Upgrader{ReadBufferSize: maxHead, Protocol: func(p []byte) bool { return s.speaks(q, p) }}
	if !s.cfg.NoDeflate {
		u.Negotiate = n.offer
	}
	if len(q.extra) > 0 {
		u.Header = ws.HandshakeHeaderBytes(q.extra)
	}
	m := memory{in: q.raw, out: answer}
	hs, err := u.Upgrade(&m)
	if err != nil {
		return nil, n, errExtensions
	}
	q.subprotocol = hs.Protocol
	return m.out, n, nil
}

// speaks reports whether a subprotocol that the client asked for is chosen.
func (s *Server) speaks(q *Request, p []byte) bool {
	if q.chosen {
		return string(p) == q.subprotocol
	}
	for _, sp := range s.cfg.Subprotocols {
		if string(p) == sp {
			return true
		}
	}
	return false
}

// memory is the connection that the Upgrader thinks it has.
type memory struct{ in, out []byte }

func (m *memory) Read(p []byte) (int, error) {
	if len(m.in) == 0 {
		return 0, io.EOF
	}
	n := copy(p, m.in)
	m.in = m.in[n:]
	return n, nil
}

func (m *memory) Write(p []byte) (int, error) {
	m.out = append(m.out, p...)
	return len(p), nil
}

// refuse answers with an HTTP error and closes, so that the answer arrives.
func (s *Server) refuse(r *record, e *refusedError) {
	s.stats.refused(e.why)
	body := e.text + "\n"
	answer := fmt.Sprintf("HTTP/1.1 %d %s\r\n%sConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\n"+
		"X-Content-Type-Options: nosniff\r\nContent-Length: %d\r\n\r\n%s", e.status, http.StatusText(e.status), e.header, len(body), body)
	s.beginClose(r, r.gen.Load(), closing{cause: Refused, answer: []byte(answer), last: true})
}
