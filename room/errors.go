package room

import (
	"errors"

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

// Clipped shortens a text that may come from a client, for a line of the log.
func Clipped(text string) string {
	const most = 256
	return text[:min(len(text), most)]
}
