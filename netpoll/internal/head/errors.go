package head

import (
	"fmt"
	"net/http"
	"strings"
)

// Reason says in a few words why a connection was refused, for counters and logs.
type Reason string

// The reasons that a head may be.
const (
	NotHTTP   Reason = "not http"
	Malformed Reason = "malformed request"
	TooLarge  Reason = "head too large"
	Method    Reason = "method"
	Version   Reason = "websocket version"
	Key       Reason = "websocket key"
	Proxy     Reason = "PROXY protocol"
)

// An Error is an HTTP answer other than 101. It echoes nothing that the client sent.
type Error struct {
	Why    Reason
	Status int
	Text   string // the body, one line; an object of JSON is sent as such
	Header string // more header lines, each with its end
	NoBody bool   // the request was HEAD
	Detail string // of the request, for the log
}

// Error returns the text.
func (e *Error) Error() string { return e.Text }

// Answer returns the answer in full. It ends the connection.
func (e *Error) Answer() []byte {
	body, kind := e.Text+"\n", "text/plain; charset=utf-8"
	if strings.HasPrefix(body, "{") {
		kind = "application/json"
	}
	answer := fmt.Appendf(nil, "HTTP/1.1 %d %s\r\n%sConnection: close\r\nContent-Type: %s\r\n"+
		"X-Content-Type-Options: nosniff\r\nContent-Length: %d\r\n\r\n", e.Status, http.StatusText(e.Status), e.Header, kind, len(body))
	if e.NoBody {
		return answer
	}
	return append(answer, body...)
}

// The errors that callers use themselves.
var (
	// ErrProxyHeader answers a header of the PROXY protocol.
	ErrProxyHeader = &Error{Why: Proxy, Status: http.StatusBadRequest, Text: "a PROXY protocol header came instead of a request: the server reads it only on addresses that are set to it, from listed proxies; configure the proxy to send X-Forwarded-For instead"}
	// ErrNoProxyHeader answers a listed proxy that does not begin a connection with a header of the PROXY protocol
	// where it must.
	ErrNoProxyHeader = &Error{Why: Proxy, Status: http.StatusBadRequest, Text: "a valid PROXY protocol header must come first here: configure the proxy to send it (version 1 or 2)"}
	// ErrHost answers a request with more or less than one Host.
	ErrHost = malformed("exactly one Host header is needed")
)

var (
	errNotHTTP     = &Error{Why: NotHTTP, Status: http.StatusBadRequest, Text: "this is not an HTTP request; is it TLS on a plain port?"}
	errTooLarge    = &Error{Why: TooLarge, Status: http.StatusRequestHeaderFieldsTooLarge, Text: "the head of the request is too large, or has more than 64 lines"}
	errBareLF      = malformed("line ends with a bare LF")
	errBadByte     = malformed("control character in the request head")
	errRequestLine = malformed("malformed request line")
	errHeaderLine  = malformed("malformed header line")
	errHTTPVersion = malformed("WebSocket needs HTTP/1.1")
	errConnection  = malformed("Connection header must contain Upgrade")
	errBody        = malformed("an upgrade must have no body")
	errLists       = malformed("malformed Sec-WebSocket-Protocol or Sec-WebSocket-Extensions header")
	errKey         = &Error{Why: Key, Status: http.StatusBadRequest, Text: "Sec-WebSocket-Key must be 16 bytes in base64, once"}
	errMethod      = &Error{Why: Method, Status: http.StatusMethodNotAllowed, Text: "WebSocket needs GET", Header: "Allow: GET\r\n"}
	errNoVersion   = &Error{Why: Version, Status: http.StatusBadRequest, Text: "Sec-WebSocket-Version: 13 is missing",
		Header: "Sec-WebSocket-Version: 13\r\n"}
	errVersion = &Error{Why: Version, Status: http.StatusUpgradeRequired, Text: "only WebSocket version 13 is spoken",
		Header: "Sec-WebSocket-Version: 13\r\nUpgrade: websocket\r\n"}
)

func malformed(text string) *Error {
	return &Error{Why: Malformed, Status: http.StatusBadRequest, Text: text}
}
