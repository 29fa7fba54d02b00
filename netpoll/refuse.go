package netpoll

import (
	"net/http"
	"net/netip"

	"webim/netpoll/internal/head"
)

// refusal is a reason to refuse a connection before it is open, as Stats.Refused counts it. Those of
// a request's head are in package head.
type refusal = head.Reason

const (
	refuseNotHTTP            = head.NotHTTP
	refuseProxy              = head.Proxy
	refuseTooLarge           = head.TooLarge
	refuseOrigin     refusal = "origin"
	refuseHandler    refusal = "handler"
	refuseFull       refusal = "server full"
	refusePerIP      refusal = "too many from address"
	refuseHTTPFull   refusal = "too many http connections"
	refuseUnanswered refusal = "server full, closed unanswered"
	refuseTLS        refusal = "slow tls handshake, ended for another"
	refuseStopping   refusal = "server is shutting down"

	// answeredHealth is no refusal: it marks the answers to /health, which are not counted.
	answeredHealth refusal = "health"
)

// refusedError is an HTTP answer other than 101.
type refusedError = head.Error

// refusalError returns the answer to a connection that is refused at a limit.
func refusalError(why refusal) *refusedError {
	if why == refuseStopping {
		return errStopping
	}
	return unavailable(why, "server is at its limit: "+string(why))
}

func unavailable(why refusal, text string) *refusedError {
	return &refusedError{Why: why, Status: http.StatusServiceUnavailable, Text: text, Header: "Retry-After: 5\r\n"}
}

var (
	errInternal = &refusedError{Why: refuseHandler, Status: http.StatusInternalServerError, Text: "internal error"}
	errOrigin   = &refusedError{Why: refuseOrigin, Status: http.StatusForbidden, Text: "origin is not allowed"}
	errStopping = unavailable(refuseStopping, string(refuseStopping))
)

// refuse answers with an HTTP error and then closes, so that the answer arrives.
func (s *Server) refuse(r *record, e *refusedError) {
	s.logRefusal(e.Why, s.addrs.AddrPort(r.ip, r.port), e.Detail)
	s.beginClose(r, r.gen.Load(), answerClose(e))
}

// answerClose is the close that sends the answer.
func answerClose(e *refusedError) closing {
	return closing{cause: Refused, why: e.Why, answer: e.Answer(), last: true}
}

// refusalHints say which setting decides a refusal. A refusal without a hint is not logged: its
// answer tells the client everything, and the operator of the server can change nothing. The
// Handler logs its own.
var refusalHints = map[refusal]string{
	refuseTooLarge:   "MaxHead bounds the head of a request (--max-head); large cookies are the usual cause",
	refuseOrigin:     "CheckOrigin decides which pages may connect (--allow-origin)",
	refuseFull:       "MaxConns bounds the connections (--max-conns, and the limit of open files)",
	refuseUnanswered: "MaxConns bounds the connections (--max-conns, and the limit of open files)",
	refuseTLS:        "MaxTLSHandshakes bounds the TLS handshakes (--max-tls-handshakes), a quarter for one address",
	refusePerIP:      "MaxConnsPerIP and MaxHandshakesPerIP bound one address (--max-conns-per-ip, --max-handshakes-per-ip); behind a proxy list it in Exempt (--proxy)",
	refuseHTTPFull:   "MaxHTTP bounds the connections that ask for pages (--max-http), a quarter for one address",
	refuseProxy:      "a proxy sends the PROXY protocol: configure it to send X-Forwarded-For, and list it in Exempt (--proxy)",
	refuseNotHTTP:    "something else than HTTP came, perhaps TLS to a plain port or a plain request to the port for TLS",
}

// maxDetail is the number of bytes of a client's text that a log line may have.
const maxDetail = 200

// logRefusal logs a refusal, one line for each reason and interval: a flood of refusals must not fill
// the log. detail is a text of the client.
func (s *Server) logRefusal(why refusal, from netip.AddrPort, detail string) {
	hint, known := refusalHints[why]
	if !known {
		return
	}
	attrs := []any{"from", RemoteText(from), "hint", hint}
	if detail != "" {
		attrs = append(attrs, "detail", detail[:min(len(detail), maxDetail)])
	}
	s.refusals.Warn("netpoll: a connection is refused: "+string(why), attrs...)
}

// RemoteText returns a client's address for logs: "192.0.2.7:1234", "192.0.2.7" behind a proxy, which
// does not tell the port, or "unix" for a client of a Unix socket, which has no address.
func RemoteText(remote netip.AddrPort) string {
	switch {
	case !remote.Addr().IsValid():
		return "unix"
	case remote.Port() == 0:
		return remote.Addr().String()
	}
	return remote.String()
}
