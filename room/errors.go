package room

import (
	"errors"

	"webim/netpoll"
	"webim/netpoll/ratelog"
	"webim/room/identity"
	"webim/room/wire"
)

var (
	// ErrBusy: more bytes wait to be swept than Config.MaxUnswept permits. Try again in a moment.
	ErrBusy = errors.New("room: room is busy, try again")
	// ErrTooManyRooms: Config.MaxRooms rooms have members.
	ErrTooManyRooms = errors.New("room: too many rooms")
	// ErrRoomFull: the room has Config.MaxMembers members.
	ErrRoomFull = errors.New("room: room is full")

	// ErrJoined: the connection is a member of another room.
	ErrJoined = errors.New("room: connection is in another room")
	// ErrBadMessage: a type other than text or binary, or text that is not UTF-8.
	ErrBadMessage = errors.New("room: message is neither UTF-8 text nor binary")

	// ErrClosed: the connection was closed before it had joined.
	ErrClosed = errors.New("room: connection is closed")

	// ErrMoved: another process serves the rooms now, see Hub.Moved. Clients get a temporary error.
	ErrMoved = wire.Explain(wire.ErrTooManyRequests, "too many requests: another process has taken over: try again on a new connection")
)

// errEnded: the room has ended after it was found and before the member was counted.
var errEnded = errors.New("room: room has ended")

// The log tells operators why clients were refused, and which setting to look at. There is one line for
// each reason and interval (package ratelog), and no line contains a token or a text of a message. Lines
// about budgets come from package cost.

// Clipped shortens a text that may come from a client, for a line of the log.
func Clipped(text string) string {
	const most = 256
	return text[:min(len(text), most)]
}

// RefusalLog returns the log in which the dialects write why clients are refused. It writes one line for
// each reason and interval; see package ratelog.
func (h *Hub) RefusalLog() *ratelog.Logger { return h.refusals }

// logLost logs that a message of a plain client is dropped, because the plain dialect cannot tell the
// client. why is an attribute of the line and not a part of its text, because with a mute it contains a
// time, and lines are limited by their text.
func (h *Hub) logLost(m Member, why, see string) {
	h.refusals.Info("a plain client's message is lost", "reason", why, "see", see, "room", Clipped(m.Room.name), identity.Logged(m.Conn))
}

// noteRefusal notes for the flight recorder that a message of a plain client is dropped.
func noteRefusal(c netpoll.Conn, err error) {
	var code wire.ErrorCode
	if errors.As(err, &code) {
		c.NoteRefusal(uint16(code))
	}
}

// LogInternal logs err if it is one for which a client gets only error 100, so that the cause can be
// found. what is the command or the call that failed. A bare wire.ErrInternal has no cause and is not
// logged: a client gets it for a subscription that it has given up itself. The end of calls that wait
// while the hub stops is no failure.
func (h *Hub) LogInternal(err error, what string) {
	if err == nil || err == error(wire.ErrInternal) || !wire.IsInternal(err) {
		return
	}
	if h.work.Context().Err() != nil && errors.Is(err, h.work.Context().Err()) {
		h.refusals.Info("a request was given up because the server stops", "what", what)
		return
	}
	h.refusals.Error("a request failed in the server, and the client was told error 100", "what", what, "err", err)
}
