package netpoll

import (
	"fmt"
	"net/http"
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
	refuseStopping  refusal = "server is shutting down"
	refuseProxy     refusal = "PROXY protocol"

	// answeredHealth is none: what /health was answered is counted with them.
	answeredHealth refusal = "health"
)

// err is the answer to who comes at a limit.
func (why refusal) err() *refusedError {
	if why == refuseStopping {
		return errStopping
	}
	return unavailable(why, "server is at its limit: "+string(why))
}

func unavailable(why refusal, text string) *refusedError {
	return &refusedError{why: why, status: http.StatusServiceUnavailable, text: text, header: "Retry-After: 5\r\n"}
}

// A refusedError is an HTTP answer other than 101. Nothing that the client
// sent is echoed in it.
type refusedError struct {
	why    refusal
	status int
	text   string
	header string
	noBody bool   // the answer to HEAD
	detail string // of what the client said, for the log
}

func (e *refusedError) Error() string { return e.text }

func malformed(text string) *refusedError {
	return &refusedError{why: refuseMalformed, status: http.StatusBadRequest, text: text}
}

var (
	errNotHTTP      = &refusedError{why: refuseNotHTTP, status: http.StatusBadRequest, text: "this is not an HTTP request; is it TLS on a plain port?"}
	errProxyHeader  = &refusedError{why: refuseProxy, status: http.StatusBadRequest, text: "a PROXY protocol header came instead of a request: this server does not speak that protocol, configure the proxy to send X-Forwarded-For instead"}
	errHeadTooLarge = &refusedError{why: refuseTooLarge, status: http.StatusRequestHeaderFieldsTooLarge, text: "the head of the request is too large, or has more than 64 lines"}
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
	errInternal   = &refusedError{why: refuseHandler, status: http.StatusInternalServerError, text: "internal error"}
	errOrigin     = &refusedError{why: refuseOrigin, status: http.StatusForbidden, text: "origin is not allowed"}
	errStopping   = unavailable(refuseStopping, string(refuseStopping))
	errExtensions = malformed("malformed Sec-WebSocket-Protocol or Sec-WebSocket-Extensions header")
)

// refuse answers with an HTTP error and closes, so that the answer arrives.
func (s *Server) refuse(r *record, e *refusedError) {
	s.logRefusal(e.why, s.addrs.addrPort(r.ip, r.port), e.detail)
	s.beginClose(r, r.gen.Load(), e.closing())
}

// closing is the close that gives the answer.
func (e *refusedError) closing() closing {
	body := e.text + "\n"
	answer := fmt.Sprintf("HTTP/1.1 %d %s\r\n%sConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\n"+
		"X-Content-Type-Options: nosniff\r\nContent-Length: %d\r\n\r\n", e.status, http.StatusText(e.status), e.header, len(body))
	if !e.noBody {
		answer += body
	}
	return closing{cause: Refused, why: e.why, answer: []byte(answer), last: true}
}
