package policy

import (
	"strings"

	"webim/room/token"
)

// An Action is something that a connection may do in a room.
type Action uint8

// The actions. Subscribing takes ActJoin and ActRead; what is recovered with it
// is part of that.
const (
	ActJoin      Action = iota // be a member
	ActRead                    // get what is said
	ActHistory                 // ask for what was said
	ActPresence                // ask who is there
	ActSend                    // say something
	ActTyping                  // tell that one is about to
	ActEditOwn                 // change what one said
	ActDeleteOwn               // take back what one said
	ActDeleteAny               // take back what others said
	ActMute                    // keep a user from saying anything
	ActKick                    // send a user out of the room
	ActBan                     // keep a user out of the room
	ActManage                  // change the room itself
	numActions
)

// More actions, of which no configuration speaks: their rights follow from those above.
const (
	ActBe     Action = numActions + iota // be connected, or be in the room in any way: all but the banned
	ActSpeak                             // have others read what one writes: all but the muted, and in a locked room the moderators
	ActReact                             // find something of a message: as ActSend, and no backend is asked
	ActTitle                             // set the room's title: ActManage and ActSpeak
	ActInvite                            // put others on a private room's roster, or tell them of a public one
	ActWatch                             // see that a room, or a user in it, exists: moderators of all rooms
	ActMeet                              // learn from outside a room who the other user of it is, and whether that user is here: as ActPresence, if the other one shares the room
)

// isSpeech reports whether an action lets others read what its author writes: mutes and
// locks are against it.
func (a Action) isSpeech() bool {
	switch a {
	case ActSend, ActTyping, ActEditOwn, ActSpeak, ActReact, ActTitle, ActInvite:
		return true
	}
	return false
}

// right is the action that the table of a room has for an action.
func (a Action) right(room string) Action {
	switch a {
	case ActReact:
		return ActSend
	case ActMeet:
		return ActPresence
	case ActTitle:
		return ActManage
	case ActInvite:
		if IsRoster(room) {
			return ActManage
		}
		return ActSend
	}
	return a
}

// actionNames are the actions as configurations name them.
var actionNames = [numActions]string{"join", "read", "history", "presence", "send", "typing",
	"edit_own", "delete_own", "delete_any", "mute", "kick", "ban", "manage"}

// String is the action as configurations name it.
func (a Action) String() string {
	if a < numActions {
		return actionNames[a]
	}
	return "unknown"
}

// Actions are the names of all actions, in their order.
func Actions() []string { return actionNames[:] }

// ParseAction is String's inverse.
func ParseAction(name string) (Action, bool) { return parseName[Action](actionNames[:], name) }

// Roles are a set of roles: those that may do something, or those that a
// connection has in a room. The zero value says nothing; see Rights.
//
// Four of them are a ladder: who is on a step stands on those below too, so that
// RoleAnonymous means everybody. RoleUser is whoever has a name; RoleModerator
// and RoleAdmin come from tokens, everywhere or in the rooms that these name.
// RoleMember is beside the ladder: whoever is in the room at that moment.
type Roles uint8

// The roles, and RoleNobody, which is none of them.
const (
	RoleAnonymous Roles = 1 << iota
	RoleUser
	RoleMember
	RoleModerator
	RoleAdmin
	RoleNobody
	numRoles = iota
)

var roleNames = [numRoles]string{"anonymous", "user", "member", "moderator", "admin", "nobody"}

// String lists the roles as configurations name them, with commas.
func (r Roles) String() string {
	var all []string
	for i, name := range roleNames {
		if r&(1<<i) != 0 {
			all = append(all, name)
		}
	}
	return strings.Join(all, ",")
}

// RoleNames are the names of all roles, in their order.
func RoleNames() []string { return roleNames[:] }

// ParseRole is String's inverse, for one role.
func ParseRole(name string) (Roles, bool) {
	i, ok := parseName[int](roleNames[:], name)
	return 1 << i, ok
}

func parseName[T ~uint8 | ~int](names []string, name string) (T, bool) {
	for i := range names {
		if names[i] == name {
			return T(i), true
		}
	}
	return 0, false
}

// Rights are the table of a room: which roles may do what. What it says nothing
// of, RoleModerator may, but for ActManage, which RoleAdmin may: so the zero
// value gives nothing to those whom no token has raised. What a token itself
// permits comes on top.
type Rights [numActions]Roles

// Talk is the actions of a conversation: all up to ActDeleteOwn.
const Talk = int(ActDeleteOwn) + 1

// OpenRights let everybody talk, without a name too. Moderating stays with those
// whom a token has raised.
func OpenRights() (r Rights) {
	for a := range Talk {
		r[a] = RoleAnonymous
	}
	return r
}

// Allows reports whether one of the roles may do it.
func (r *Rights) Allows(held Roles, a Action) bool {
	allowed := r[a]
	if allowed == 0 {
		if allowed = RoleModerator; a == ActManage {
			allowed = RoleAdmin
		}
	}
	return allowed&held != 0
}

// RolesOf are the roles that a token gives in a room, or, with room "", in all rooms;
// RoleMember is not among them.
func RolesOf(who *token.Identity, room string) Roles {
	held := RoleAnonymous
	if who.User != "" && !IsGuest(who.User) {
		held |= RoleUser
	}
	switch g := &who.Grants; {
	case g.Has("admin", room):
		held |= RoleUser | RoleModerator | RoleAdmin
	case g.Has("moderator", room):
		held |= RoleUser | RoleModerator
	}
	return held
}

// GuestPrefix begins the user id of a guest, and of nobody else.
const GuestPrefix = "guest:"

// IsGuest reports whether a user is a guest: an anonymous connection that said a
// name.
func IsGuest(user string) bool { return strings.HasPrefix(user, GuestPrefix) }

// caps are what a token calls the actions; 0: it cannot permit them.
var caps = [numActions]token.Action{
	ActJoin: token.Subscribe, ActRead: token.Subscribe, ActHistory: token.History, ActPresence: token.Presence,
	ActSend: token.Publish, ActTyping: token.Publish,
}

func granted(g *token.Grants, a Action, room string) bool {
	return caps[a] != 0 && g.Allows(caps[a], room)
}
