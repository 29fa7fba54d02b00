package wire

import "webim/room/name"

// Lobby is the room of the path "/".
const Lobby = "lobby"

// MaxRoomName is the most bytes that a room's name may have.
const MaxRoomName = name.Max

// RoomName is the one spelling of a room's name, which a client, a backend or an
// operator says: see [name.Room]. Whatever names a room goes through it where it comes
// in, so that no rights are passed by another spelling.
//
// The error is a RoomNameError.
func RoomName(text string) (string, error) { return name.Room(text) }

// CheckRoomName says what is wrong with a name that the server has made, or with a
// name of a user or of a guest.
//
// The error is a RoomNameError.
func CheckRoomName(text string) error {
	_, err := name.Room(text)
	return err
}

// RoomNameError says what is wrong with a room's name.
type RoomNameError = name.Error
