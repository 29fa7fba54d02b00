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
	// ErrTooManyMembers: more members are in the room than were to be listed.
	ErrTooManyMembers = errors.New("room: more members than may be listed")
	// ErrJoined: the connection is a member of another room.
	ErrJoined = errors.New("room: connection is in another room")
	// ErrBadMessage: a type other than text or binary, or text that is not UTF-8.
	ErrBadMessage = errors.New("room: message is neither UTF-8 text nor binary")
	// ErrKeyReused: a message with the same key and other content was published
	// to the room not long ago.
	ErrKeyReused = errors.New("room: the idempotency key belongs to another message")
	// ErrRepeated is what an engine says of a message that it has published before,
	// with its place; Hub.Publish does not pass it on.
	ErrRepeated = errors.New("room: the message was published before")
	// ErrClosed: the connection ended before it had joined.
	ErrClosed = errors.New("room: connection is closed")
)

// errEnded: the room ended between being found and being joined.
var errEnded = errors.New("room: room has ended")
