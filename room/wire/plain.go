package wire

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Lobby is the room of the path "/".
const Lobby = "lobby"

// MaxRoomName is the most bytes that a room's name may have.
const MaxRoomName = 255

// CheckRoomName says what is wrong with a room's name. A name is 1 to 255
// bytes of UTF-8 without control characters, line separators or bidirectional
// controls, which could make two names look alike or a log line lie.
//
// The error is a RoomNameError.
func CheckRoomName(name string) error {
	switch {
	case name == "":
		return RoomNameError("room name is empty")
	case len(name) > MaxRoomName:
		return RoomNameError(fmt.Sprintf("room name is %d bytes long, at most %d are allowed", len(name), MaxRoomName))
	case !utf8.ValidString(name):
		return RoomNameError("room name is not UTF-8")
	case strings.ContainsFunc(name, forbidden):
		return RoomNameError("room name has control characters")
	}
	return nil
}

// RoomNameError says what is wrong with a room's name.
type RoomNameError string

// Error is the sentence.
func (e RoomNameError) Error() string { return string(e) }

func forbidden(r rune) bool {
	return unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp, unicode.Bidi_Control)
}
