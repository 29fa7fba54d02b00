package name

import "strings"

// RosterMark is the first byte of the names of rooms with a roster.
const RosterMark = '$'

// IsRoster reports whether a roster decides about the membership in room.
func IsRoster(room string) bool { return strings.HasPrefix(room, string(RosterMark)) }
