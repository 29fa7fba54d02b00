package netpoll

import "net/netip"

// refusalHints say which setting decides a refusal, for the log. A refusal that is
// not here says all to the client, and nothing that whoever runs the server could
// change; the Handler logs its own.
var refusalHints = map[refusal]string{
	refuseTooLarge: "MaxHead bounds the head of a request (--max-head); large cookies are the usual cause",
	refuseOrigin:   "CheckOrigin decides which pages may connect (--allow-origin)",
	refuseFull:     "MaxConns bounds the connections (--max-conns, and the limit of open files)",
	refuseUnsaid:   "MaxConns bounds the connections (--max-conns, and the limit of open files)",
	refusePerIP:    "MaxConnsPerIP and MaxHandshakesPerIP bound one address (--max-conns-per-ip, --max-handshakes-per-ip); behind a proxy list it in Exempt (--proxy)",
	refuseHTTPFull: "MaxHTTP bounds the connections that ask for pages (--max-http), a quarter for one address",
	refuseProxy:    "a proxy sends the PROXY protocol: configure it to send X-Forwarded-For, and list it in Exempt (--proxy)",
	refuseNotHTTP:  "something else than HTTP came, perhaps TLS to a plain port or a plain request to the port for TLS",
}

// maxDetail is how many bytes of a client's text a log line has.
const maxDetail = 200

// logRefusal logs a refusal, one line for each reason and interval: a flood of refusals
// must not fill the log as well. detail is what the client said.
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

// RemoteText is where a connection comes from, for logs: "192.0.2.7:1234",
// "192.0.2.7" behind a proxy, which does not tell the port, or "unix" for a client of
// a Unix socket, which has no address.
func RemoteText(remote netip.AddrPort) string {
	switch {
	case !remote.Addr().IsValid():
		return "unix"
	case remote.Port() == 0:
		return remote.Addr().String()
	}
	return remote.String()
}
