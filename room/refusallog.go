package room

import (
	"errors"
	"net/netip"

	"webim/netpoll/ratelog"
	"webim/room/token"
)

// Whoever runs the server finds in the log why a client was refused, and which setting
// to look at: one line for each reason and interval (package ratelog), never with a
// token or a text. What budgets refuse, package cost logs; what fails inside, others do.

// Clipped is a client's text, or one that may have some of it, for a line of the log.
func Clipped(text string) string {
	const most = 256
	return text[:min(len(text), most)]
}

// LogToken logs why a token is not taken; kind is "connection" or "subscription".
func (h *Hub) LogToken(kind string, err error) {
	if h.cfg.Log == nil {
		return
	}
	var why *token.Error
	reason, see := "there is no key to check tokens with", "token_secret_file, token_public_key, token_jwks"
	if errors.As(err, &why) {
		reason, see = why.Reason, why.See
	}
	switch {
	case errors.Is(err, token.ErrExpired):
		h.refusals.Info("a "+kind+" token has expired", "reason", reason, "see", see)
	case errors.Is(err, token.ErrUnavailable):
		h.refusals.Warn("a "+kind+" token cannot be judged now", "reason", reason, "see", see)
	default:
		h.refusals.Warn("a "+kind+" token is refused", "reason", reason, "see", see)
	}
}

// ErrTokenRevoked and the others are tokens that are good, and not taken.
var (
	ErrTokenRevoked = &token.Error{Kind: token.ErrInvalid, Reason: "it was revoked, or all of its user's", See: "the API's revoke"}
	ErrTokenGuest   = &token.Error{Kind: token.ErrInvalid, Reason: "its user begins with guest:, which only webim's own tokens have"}
	ErrTokenOthers  = &token.Error{Kind: token.ErrInvalid, Reason: "it is another user's, another connection's or for another room"}
)

// RefusalLog is where the dialects say why clients are refused, one line for each reason and
// interval; see package ratelog.
func (h *Hub) RefusalLog() *ratelog.Logger { return h.refusals }

// LogTokenless logs that a client without a token is not let in.
func (h *Hub) LogTokenless(addr netip.Addr) {
	h.refusals.Warn("a client without a token is refused", "see", "open, rooms (allow), hook_connect", "addr", addr.String())
}

// logLost logs that what a plain client has sent goes to nobody: its dialect has no
// way to tell the client so.
// why is an attribute and no part of the subject: of a mute it has the time of its end.
func (h *Hub) logLost(m Member, why, see string) {
	if h.cfg.Log != nil {
		h.refusals.Info("a plain client's message is lost", "reason", why, "see", see, "room", Clipped(m.Room.name), "addr", AddressOf(m.Conn).String())
	}
}
