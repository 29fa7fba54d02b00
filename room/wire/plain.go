package wire

import "webim/room/name"

// Lobby is the room of the path "/".
const Lobby = "lobby"

// MaxRoomName is the maximum length of a room's name in bytes.
const MaxRoomName = name.Max

// RoomName returns the normal form of a room's name that comes from a client, a backend or an
// operator: see [name.Room]. Every name goes through RoomName where it enters, so that another
// spelling cannot get around the rights of a room.
//
// The error is a RoomNameError.
func RoomName(text string) (string, error) { return name.Room(text) }

// CheckRoomName checks a room's name that the server has made, or the name of a user or a guest.
//
// The error is a RoomNameError.
func CheckRoomName(text string) error {
	_, err := name.Room(text)
	return err
}

// RoomNameError says why the name of a room is invalid.
type RoomNameError = name.Error
