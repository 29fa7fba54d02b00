package room

import "errors"

var (
	// ErrBusy: more bytes wait to be swept than Config.MaxUnswept allows. Try
	// again in a moment.
	ErrBusy = errors.New("room: room is busy, try again")
	// ErrTooManyRooms: Config.MaxRooms rooms have members.
	ErrTooManyRooms = errors.New("room: too many rooms")
	// ErrClosed: the connection ended before it had joined.
	ErrClosed = errors.New("room: connection is closed")
)
