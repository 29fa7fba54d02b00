package room

import (
	"encoding/json"
	"slices"
	"strings"

	"webim/room/wire"
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

// isPrivate tells whether the rights are not all.
func isPrivate(room string) bool {
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

// admitted judges a command in a private room, but for the roster, which
// onRoster asks when a session joins.
func (s *session) admitted(a Action, room string) bool {
	user := s.who.Load().User
	switch {
	case room[0] == nameMark:
		return owns(user, room)
	case a == ActJoin || a == ActRead:
		return user != ""
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.find(room) >= 0
}

// Roster is what TableMember says of a user in a room, as JSON.
type Roster struct {
	Role  string `json:"role,omitempty"` // "owner": may do there what an admin may; "": no more than others
	Since int64  `json:"since"`          // unix milliseconds
}

// OwnerRole is the role of who made a room.
const OwnerRole = "owner"

// Roles are what the entry adds to a user's roles in the room.
func (r Roster) Roles() Roles {
	if r.Role == OwnerRole {
		return RoleModerator | RoleAdmin
	}
	return 0
}

// RosterOf reads a user's entry in the roster of a room; ok: there is one.
func RosterOf(e State, room, user string, done func(r Roster, ok bool, err error)) {
	e.Get(Key{TableMember, room, user}, func(entry Entry, err error) {
		var r Roster
		if err == nil && entry.Version != 0 {
			err = json.Unmarshal(entry.Value, &r)
		}
		done(r, entry.Version != 0, err)
	})
}

// onRoster tells what a session's user may besides in a $ room, or why it may not
// join. It calls done perhaps later.
func (s *session) onRoster(room string, done func(Roles, error)) {
	who := s.who.Load()
	RosterOf(s.hub.engine, room, who.User, func(r Roster, ok bool, err error) {
		switch {
		case err != nil:
			done(0, wire.Internal(err))
		case !ok && rolesOf(who, room)&RoleAdmin == 0:
			done(0, s.hub.denied())
		default:
			done(r.Roles(), nil)
		}
	})
}

// lookAtRoster looks again when the session has its seat: who was taken from the
// roster while it was joining must not stay, and who was raised is it at once.
func (s *session) lookAtRoster(room string) {
	s.hub.soon(func() {
		s.onRoster(room, func(roles Roles, err error) {
			if err != nil {
				s.expelled(room)
				return
			}
			s.raise(room, roles)
		})
	})
}

// raise notes what the roster of a room says of the session's user.
func (s *session) raise(room string, roles Roles) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.find(room)
	if i < 0 {
		return
	}
	t := subToken{}
	if old := s.subs[i].token; old != nil {
		t = *old
	}
	if t.roles != roles {
		t.roles = roles
		s.subs[i].token = &t
	}
}
