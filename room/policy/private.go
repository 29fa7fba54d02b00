package policy

import (
	"slices"
	"strings"

	"webim/room/name"
)

// Some rooms are private by their names. Their names restrict access in addition to the rights.
//
//	#alice        the personal room of alice: the server joins her connections to it and
//	              publishes messages for her there
//	#alice,bob    the direct room of these two users, with the names in order, so that both
//	              users get the same room
//	$x7k2…        for the users on its roster, TableMember; the server makes the name
//
// So the decision about a message needs no lookup: the name of a # room lists its users, and in
// a $ room every action except joining requires membership. A subscription token admits to $
// rooms, as to other rooms, and never to # rooms.
const nameMark = '#'

// escape turns a user's id into a part of a room's name; unescape is its inverse.
var (
	escape   = strings.NewReplacer("%", "%25", ",", "%2C", "#", "%23")
	unescape = strings.NewReplacer("%25", "%", "%2C", ",", "%23", "#")
)

// PersonalRoom returns the name of a user's personal room. The result may exceed the maximum
// length.
func PersonalRoom(user string) string { return string(nameMark) + escape.Replace(user) }

// DirectRoom returns the name of the direct room of two users, in either order. The result may
// exceed the maximum length.
func DirectRoom(a, b string) string {
	a, b = escape.Replace(a), escape.Replace(b)
	return string(nameMark) + min(a, b) + "," + max(a, b)
}

// IsDirect reports whether room is the direct room of two users.
func IsDirect(room string) bool { return len(UsersOf(room)) == 2 }

// IsRoster reports whether a roster decides about the membership in room.
func IsRoster(room string) bool { return name.IsRoster(room) }

// IsPrivate reports whether room is private by its name.
func IsPrivate(room string) bool {
	return room != "" && (room[0] == nameMark || room[0] == name.RosterMark)
}

// UsersOf returns the one or two users in the name of a # room. It returns nil if room is not a
// # room, or if DirectRoom or PersonalRoom would not make this name; nobody may join such a
// room.
func UsersOf(room string) []string {
	rest, ok := strings.CutPrefix(room, string(nameMark))
	if !ok {
		return nil
	}
	users := strings.Split(rest, ",")
	for i := range users {
		users[i] = unescape.Replace(users[i])
	}
	if len(users) > 2 || slices.Contains(users, "") || len(users) == 2 && room != DirectRoom(users[0], users[1]) || len(users) == 1 && room != PersonalRoom(users[0]) {
		return nil
	}
	return users
}

// owns reports whether user is one of the users in the name of a # room.
func owns(user, room string) bool { return user != "" && slices.Contains(UsersOf(room), user) }
