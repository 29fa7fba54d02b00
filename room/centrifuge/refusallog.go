package centrifuge

import (
	"errors"

	"github.com/centrifugal/protocol"

	"webim/room"
	"webim/room/identity"
	"webim/room/wire"
)

// seeError has the settings to look at when a command is refused with a code. A code that is missing
// here is logged elsewhere, or needs no line.
var seeError = map[wire.ErrorCode]string{
	wire.ErrUnauthorized:          "open, rooms (allow), hook_connect",
	wire.ErrUnknownChannel:        "rooms",
	wire.ErrPermissionDenied:      "rooms (allow); caps, role and channel of the token",
	wire.ErrMethodNotFound:        "",
	wire.ErrAlreadySubscribed:     "",
	wire.ErrConflict:              "",
	wire.ErrSlowMode:              "the room's settings",
	wire.ErrNoMessage:             "",
	wire.ErrTooManyRequests:       "rate_join, rate_send, rate_typing, rate_read, rate_rpc, rate_other, max_calls",
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

// seeEnd is seeError for the codes of Close frames.
var seeEnd = map[wire.DisconnectCode]string{
	wire.DisconnectExpired:               "the application's getToken, hook_refresh",
	wire.DisconnectBadRequest:            "max_commands, max_message",
	wire.DisconnectServerError:           "",
	wire.DisconnectInsufficientState:     "history_messages, history_bytes, history_age",
	wire.DisconnectStale:                 "",
	wire.DisconnectConnectionLimit:       "max_conns_per_user",
	wire.DisconnectChannelLimit:          "max_rooms_per_conn",
	wire.DisconnectInappropriateProtocol: "rooms (binary)",
	wire.DisconnectPermissionDenied:      "rooms (allow)",
	wire.DisconnectNotAvailable:          "",
	wire.DisconnectTooManyErrors:         "max_refusals, rate_join, rate_send, rate_typing, rate_read, rate_rpc, rate_other",
	wire.DisconnectBanned:                "the API's sanctions and unban",
}

// logRefusal logs the ErrorCode or DisconnectCode that a client gets, and notes the ErrorCode for the flight recorder. name is the room of the
// command, or "" if there is none or it is not known.
func (s *session) logRefusal(name string, err error) {
	h := s.d.hub
	var end wire.DisconnectCode
	var code wire.ErrorCode
	if errors.As(err, &code) {
		s.conn.NoteRefusal(uint16(code))
	}
	if h.Config().Log == nil {
		return
	}
	args := func(number uint32, see string) []any {
		all := []any{"code", number, "see", see, identity.Logged(s.conn)}
		if name != "" {
			all = append(all, "room", room.Clipped(name))
		}
		if err != error(code) && err != error(end) { // err has a text of its own
			all = append(all, "reason", room.Clipped(err.Error()))
		}
		return all
	}
	switch {
	case errors.As(err, &end):
		if see, ok := seeEnd[end]; ok {
			h.RefusalLog().Warn("a connection is refused: "+end.Text(), args(uint32(end), see)...)
		} else if end >= 4000 { // the backend's
			h.RefusalLog().Info("the backend ends a connection; see hook_connect and the others", args(uint32(end), "hook_connect and the others")...)
		}
	case errors.As(err, &code):
		if see, ok := seeError[code]; ok {
			h.RefusalLog().Info("a command is refused: "+code.Text(), args(uint32(code), see)...)
		} else if code > 999 {
			h.RefusalLog().Info("the backend refuses a command", args(uint32(code), "hook_subscribe and the others")...)
		}
	}
}

// roomOf returns the room that a command names, or "". c may be nil.
func roomOf(c *protocol.Command) string {
	switch {
	case c == nil:
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
