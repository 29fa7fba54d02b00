package refusal

import (
	"net/http"

	"webim/netpoll/internal/head"
)

// Reason says in a few words why a connection is refused, for the client, the counts and the log.
type Reason = head.Reason

// The reasons of a server.
const (
	NotHTTP           = head.NotHTTP
	Proxy             = head.Proxy
	TooLarge          = head.TooLarge
	Origin     Reason = "origin"
	Handler    Reason = "handler"
	Full       Reason = "server full"
	PerIP      Reason = "too many from address"
	HTTPFull   Reason = "too many http connections"
	Unanswered Reason = "server full, closed unanswered"
	SlowTLS    Reason = "slow tls handshake, ended for another"
	Stopping   Reason = "server is shutting down"

	// Late and BadTLS are the ends of handshakes, which are counted by their causes.
	Late   Reason = "handshake timeout"
	BadTLS Reason = "tls handshake failed"

	// Health is no refusal: it marks the answers to /health, which are not counted.
	Health Reason = "health"
)

// Reasons are all reasons that are counted.
var Reasons = []Reason{NotHTTP, head.Malformed, TooLarge, head.Method, head.Version, head.Key, Proxy, Origin, Handler, Full, PerIP, HTTPFull, Unanswered, SlowTLS, Stopping}

// Error is an HTTP answer other than 101.
type Error = head.Error

// The answers that are always the same.
var (
	ErrInternal = &Error{Why: Handler, Status: http.StatusInternalServerError, Text: "internal error"}
	ErrStopping = unavailable(Stopping, string(Stopping))
)

// AtLimit returns the answer to a connection that is refused at a limit, or because the server stops.
func AtLimit(why Reason) *Error {
	if why == Stopping {
		return ErrStopping
	}
	return unavailable(why, "server is at its limit: "+string(why))
}

// BadOrigin returns the answer to a page that may not connect. origin is its Origin header, for the log.
func BadOrigin(origin string) *Error {
	return &Error{Why: Origin, Status: http.StatusForbidden, Text: "origin is not allowed", Detail: origin}
}

func unavailable(why Reason, text string) *Error {
	return &Error{Why: why, Status: http.StatusServiceUnavailable, Text: text, Header: "Retry-After: 5\r\n"}
}
