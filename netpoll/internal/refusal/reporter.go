package refusal

import (
	"log/slog"
	"net/netip"
	"sync"

	"webim/netpoll/internal/head"
	"webim/netpoll/ratelog"
)

// A Reporter counts the refusals of a server by their reasons, and logs them. Make one with NewReporter. It
// is safe for concurrent use.
type Reporter struct {
	lines  *ratelog.Logger
	mu     sync.Mutex
	counts map[Reason]int64
}

// NewReporter makes a reporter that logs to a logger.
func NewReporter(to *slog.Logger) *Reporter {
	return &Reporter{lines: ratelog.New(to), counts: map[Reason]int64{}}
}

// Count counts a refusal.
func (r *Reporter) Count(why Reason) {
	if why == Health {
		return
	}
	r.mu.Lock()
	r.counts[why]++
	r.mu.Unlock()
}

// Counts returns the number of refusals by their reasons.
func (r *Reporter) Counts() map[string]int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	counts := make(map[string]int64, len(r.counts))
	for why, n := range r.counts {
		counts[string(why)] = n
	}
	return counts
}

// hints say which setting decides a refusal. A refusal without a hint is not logged: its answer tells the
// client everything, and the operator of the server can change nothing. The user's handler logs its own.
var hints = map[Reason]string{
	TooLarge:   "MaxHead bounds the head of a request (--max-head); large cookies are the usual cause",
	Origin:     "CheckOrigin decides which pages may connect (--allow-origin)",
	Full:       "MaxConns bounds the connections (--max-conns, and the limit of open files)",
	Unanswered: "MaxConns bounds the connections (--max-conns, and the limit of open files)",
	SlowTLS:    "MaxTLSHandshakes bounds the TLS handshakes (--max-tls-handshakes), a quarter for one address",
	PerIP:      "MaxConnsPerIP and MaxHandshakesPerIP bound one address (--max-conns-per-ip, --max-handshakes-per-ip); behind a proxy list it in Exempt (--proxy)",
	HTTPFull:   "MaxHTTP bounds the connections that ask for pages (--max-http), a quarter for one address",
	Proxy:      "list the proxy in Exempt (--proxy) and the address in Listener.ProxyProtocol (--proxy-protocol) if the proxy sends the PROXY protocol there, and in the first alone if it sends X-Forwarded-For",
	NotHTTP:    "something else than HTTP came, perhaps TLS to a plain port or a plain request to the port for TLS",
}

// clientFaults are reasons whose lines need no attention: the client, mostly a scanner, does not know how to ask.
var clientFaults = map[Reason]string{
	head.Malformed: "the request breaks RFC 9112",
	head.Method:    "a WebSocket begins with GET",
	head.Version:   "the client speaks another version of the WebSocket protocol than 13",
	head.Key:       "the client's key breaks RFC 6455",
	Late:           "HandshakeTimeout bounds the time for TCP, TLS and the head of a request",
	BadTLS:         "the client has ended the TLS handshake, or offers nothing that the server accepts",
}

// maxDetail is the number of bytes of a client's text that a log line may have.
const maxDetail = 200

// Log logs a refusal, one line for each reason and interval: a flood of refusals must not fill the log.
// detail is a text of the client, or "".
func (r *Reporter) Log(why Reason, from netip.AddrPort, detail string) {
	log, hint := r.lines.Warn, hints[why]
	if hint == "" {
		log, hint = r.lines.Info, clientFaults[why]
	}
	if hint == "" {
		return
	}
	attrs := []any{"from", AddrText(from), "hint", hint}
	if detail != "" {
		attrs = append(attrs, "detail", detail[:min(len(detail), maxDetail)])
	}
	log("netpoll: a connection is refused: "+string(why), attrs...)
}

// AddrText returns a client's address for logs: "192.0.2.7:1234", "192.0.2.7" behind a proxy, which does
// not tell the port, or "unix" for a client of a Unix socket, which has no address.
func AddrText(remote netip.AddrPort) string {
	switch {
	case !remote.Addr().IsValid():
		return "unix"
	case remote.Port() == 0:
		return remote.Addr().String()
	}
	return remote.String()
}
