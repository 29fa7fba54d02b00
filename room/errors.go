package room

import "errors"

var (
	// ErrBusy: more bytes wait to be swept than Config.MaxUnswept allows. Try
	// again in a moment.
	ErrBusy = errors.New("room: room is busy, try again")
	// ErrTooManyRooms: Config.MaxRooms rooms have members.
	ErrTooManyRooms = errors.New("room: too many rooms")
	// ErrRoomFull: Config.MaxMembers are in the room.
	ErrRoomFull = errors.New("room: room is full")
	// ErrClosed: the connection ended before it had joined.
	ErrClosed = errors.New("room: connection is closed")
)

// errEnded: the room ended between being found and being joined.
var errEnded = errors.New("room: room has ended")
