package room

import (
	"errors"
	"net/netip"

	"github.com/centrifugal/protocol"

	"webim/netpoll"
	"webim/room/token"
	"webim/room/wire"
)

// Whoever runs the server finds in the log why a client was refused, and which setting
// to look at: one line for each reason and interval (package ratelog), never with a
// token or a text. What budgets refuse, usedup.go logs; what fails inside, others do.

// seeError are the settings to look at when a command is refused. A code that is not
// here gets a line of its own elsewhere, or is nobody's trouble.
var seeError = map[wire.ErrorCode]string{
	wire.ErrUnauthorized:          "open, rooms (allow), hook_connect",
	wire.ErrUnknownChannel:        "rooms",
	wire.ErrPermissionDenied:      "rooms (allow); caps, role and channel of the token",
	wire.ErrMethodNotFound:        "",
	wire.ErrLimitExceeded:         "max_rooms_per_conn, max_rooms, max_members",
	wire.ErrBadRequest:            "",
	wire.ErrNotAvailable:          "rooms (history, presence, recover), max_presence, hook_rpc",
	wire.ErrExpired:               "expire_at of the hook's answer",
	wire.ErrUnrecoverablePosition: "history_messages, history_bytes, history_age",
	wire.ErrMuted:                 "the API's sanctions and unmute",
	wire.ErrLocked:                "the room's settings",
	wire.ErrBanned:                "the API's sanctions and unban",
	wire.ErrText:                  "max_text, max_graphemes",
}

// seeEnd are the same for the ends of connections.
var seeEnd = map[wire.DisconnectCode]string{
	wire.DisconnectExpired:               "the application's getToken, hook_refresh",
	wire.DisconnectBadRequest:            "max_commands, max_message",
	wire.DisconnectStale:                 "",
	wire.DisconnectConnectionLimit:       "max_conns_per_user",
	wire.DisconnectChannelLimit:          "max_rooms_per_conn",
	wire.DisconnectInappropriateProtocol: "rooms (binary)",
	wire.DisconnectPermissionDenied:      "rooms (allow)",
	wire.DisconnectNotAvailable:          "",
	wire.DisconnectTooManyErrors:         "max_refusals, rate_join, rate_send, rate_typing, rate_read, rate_rpc",
	wire.DisconnectBanned:                "the API's sanctions and unban",
}

// noteRefusal logs what a client is told: an ErrorCode or a DisconnectCode. c is the
// command, nil if it is not at hand.
func (s *session) noteRefusal(c *protocol.Command, err error) {
	h := s.hub
	if h.cfg.Log == nil {
		return
	}
	var end wire.DisconnectCode
	var code wire.ErrorCode
	args := func(number uint32, see string) []any {
		all := []any{"code", number, "see", see, "addr", addressOf(s.conn).String(), "user", s.who.Load().User}
		if c != nil {
			all = append(all, "room", clipped(roomOf(c)))
		}
		if err != error(code) && err != error(end) { // it says more
			all = append(all, "reason", clipped(err.Error()))
		}
		return all
	}
	switch {
	case errors.As(err, &end):
		if see, ok := seeEnd[end]; ok {
			h.told.Warn("a connection is refused: "+end.Text(), args(uint32(end), see)...)
		} else if end >= 4000 { // the backend's
			h.told.Info("the backend ends a connection; see hook_connect and the others", args(uint32(end), "hook_connect and the others")...)
		}
	case errors.As(err, &code):
		if see, ok := seeError[code]; ok {
			h.told.Info("a command is refused: "+code.Text(), args(uint32(code), see)...)
		} else if code > 999 {
			h.told.Info("the backend refuses a command", args(uint32(code), "hook_subscribe and the others")...)
		}
	}
}

// roomOf is the room that a command names.
func roomOf(c *protocol.Command) string {
	switch {
	case c.Subscribe != nil:
		return c.Subscribe.Channel
	case c.Publish != nil:
		return c.Publish.Channel
	case c.History != nil:
		return c.History.Channel
	case c.Presence != nil:
		return c.Presence.Channel
	case c.PresenceStats != nil:
		return c.PresenceStats.Channel
	case c.SubRefresh != nil:
		return c.SubRefresh.Channel
	}
	return ""
}

// clipped is a client's text, or one that may have some of it, for a line of the log.
func clipped(text string) string {
	const most = 256
	return text[:min(len(text), most)]
}

// noteToken logs why a token is not taken; kind is "connection" or "subscription".
func (h *Hub) noteToken(kind string, err error) {
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
		h.told.Info("a "+kind+" token has expired", "reason", reason, "see", see)
	case errors.Is(err, token.ErrUnavailable):
		h.told.Warn("a "+kind+" token cannot be judged now", "reason", reason, "see", see)
	default:
		h.told.Warn("a "+kind+" token is refused", "reason", reason, "see", see)
	}
}

// errRevoked and the others are tokens that are good, and not taken.
var (
	errRevoked   = &token.Error{Kind: token.ErrInvalid, Reason: "it was revoked, or all of its user's", See: "the API's revoke"}
	errGuestName = &token.Error{Kind: token.ErrInvalid, Reason: "its user begins with guest:, which only webim's own tokens have"}
	errOthers    = &token.Error{Kind: token.ErrInvalid, Reason: "it is another user's, another connection's or for another room"}
)

// noteTokenless logs that a client without a token is not let in.
func (h *Hub) noteTokenless(addr netip.Addr) {
	h.told.Warn("a client without a token is refused", "see", "open, rooms (allow), hook_connect", "addr", addr.String())
}

// seePlain are the settings to look at when a plain client gets an HTTP status; 401 has
// its line where the token is judged.
var seePlain = map[int]string{
	403: "rooms (allow), hook_subscribe, hook_connect, the API's sanctions",
	429: "max_conns_per_user",
	503: "max_rooms, max_members, token_jwks",
}

// notePlain logs that a handshake of the plain dialect is refused.
func (h *Hub) notePlain(r *netpoll.Request, room string, status int, why string) {
	if see, ok := seePlain[status]; ok {
		h.told.Warn("a plain client is refused: "+why, "status", status, "see", see, "room", clipped(room), "addr", r.Remote().Addr().String())
	}
}

// noteLost logs that what a plain client has sent goes to nobody: its dialect has no
// way to tell the client so.
// why is an attribute and no part of the subject: of a mute it has the time of its end.
func (h *Hub) noteLost(m Member, why, see string) {
	if h.cfg.Log != nil {
		h.told.Info("a plain client's message is lost", "reason", why, "see", see, "room", clipped(m.Room.name), "addr", addressOf(m.Conn).String())
	}
}
