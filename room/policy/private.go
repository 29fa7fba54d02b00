package policy

import (
	"slices"
	"strings"
)

// Some rooms are private by their names, whatever the rights say; these are
// judged on top.
//
//	#alice        alice's own: the server joins her connections to it, and puts
//	              there what is for her
//	#alice,bob    between these two; the names in order, so that it is the same
//	              room whoever names it first
//	$x7k2…        for those whom its roster names, TableMember; the server makes
//	              the name
//
// So a message needs no look at any table to be judged: who may be in a # room
// stands in its name, and in a $ room all but joining takes being there. A token
// for the subscription opens $ rooms too, as it does elsewhere; # rooms never.
const (
	nameMark   = '#'
	rosterMark = '$'
)

// escape makes a user's id a part of a room's name, and unescape is its inverse.
var (
	escape   = strings.NewReplacer("%", "%25", ",", "%2C", "#", "%23")
	unescape = strings.NewReplacer("%25", "%", "%2C", ",", "%23", "#")
)

// PersonalRoom is the name of a user's own room. It may be too long for a name.
func PersonalRoom(user string) string { return string(nameMark) + escape.Replace(user) }

// DirectRoom is the name of the room between two users, in either order. It may
// be too long for a name.
func DirectRoom(a, b string) string {
	a, b = escape.Replace(a), escape.Replace(b)
	return string(nameMark) + min(a, b) + "," + max(a, b)
}

// IsDirect reports whether a room is one between two users, and IsRoster whether
// it has a roster that says who may be there.
func IsDirect(room string) bool { return len(UsersOf(room)) == 2 }

// IsRoster: see IsDirect.
func IsRoster(room string) bool { return strings.HasPrefix(room, string(rosterMark)) }

// IsPrivate reports whether a room is private by its name.
func IsPrivate(room string) bool {
	return room != "" && (room[0] == nameMark || room[0] == rosterMark)
}

// UsersOf are the users whose names a # room has: one or two. Nil: it is none, or
// its name is not as DirectRoom and PersonalRoom make it, so that nobody may be
// there.
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

// owns reports whether a # room is a user's, alone or with another.
func owns(user, room string) bool { return user != "" && slices.Contains(UsersOf(room), user) }
