package policy

import (
	"strings"
	"time"

	"webim/room/token"
)

// An Action is an action of a subject in a room.
type Action uint8

// The actions. Subscribing needs ActJoin and ActRead, which include the recovery of missed
// messages.
const (
	ActJoin      Action = iota // be a member
	ActRead                    // receive messages
	ActHistory                 // read earlier messages
	ActPresence                // read the member list
	ActSend                    // send a message
	ActTyping                  // send typing notices
	ActEditOwn                 // edit one's own message
	ActDeleteOwn               // delete one's own message
	ActDeleteAny               // delete other users' messages
	ActMute                    // mute a user
	ActKick                    // remove a user from the room
	ActBan                     // ban a user from the room
	ActManage                  // change the room itself
	numActions
)

// More actions, which configurations do not name: their rights follow from those above.
const (
	ActBe     Action = numActions + iota // be connected, or be in the room in any way: everybody except the banned
	ActSpeak                             // write something that others read: everybody except the muted, and in a locked room only moderators
	ActReact                             // react to a message: like ActSend, but no backend is asked
	ActTitle                             // set the room's title: needs ActManage and ActSpeak
	ActInvite                            // put others on a private room's roster, or tell them of a public room
	ActWatch                             // see that a room, or a user in it, exists: moderators of all rooms
	ActMeet                              // learn from outside the room which user is the other one in it, and whether that user is present: like ActPresence, if the other user shares the room
)

// isSpeech reports whether the action lets others read the author's words. Mutes and locks deny
// such actions.
func (a Action) isSpeech() bool {
	switch a {
	case ActSend, ActTyping, ActEditOwn, ActSpeak, ActReact, ActTitle, ActInvite:
		return true
	}
	return false
}

// right returns the action under which the room's table lists a.
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

// actionNames are the names of the actions in configurations.
var actionNames = [numActions]string{"join", "read", "history", "presence", "send", "typing",
	"edit_own", "delete_own", "delete_any", "mute", "kick", "ban", "manage"}

// String returns the name of the action in configurations.
func (a Action) String() string {
	if a < numActions {
		return actionNames[a]
	}
	return "unknown"
}

// Actions returns the names of all actions, in their order.
func Actions() []string { return actionNames[:] }

// ParseAction is the inverse of String.
func ParseAction(name string) (Action, bool) { return parseName[Action](actionNames[:], name) }

// Roles is a set of roles: the roles that may do something, or the roles of a connection in a
// room. For the meaning of the zero value in a table see Rights.
//
// Anonymous, user, moderator and admin are a ladder: each role includes the roles below it, so
// RoleAnonymous means everybody. RoleUser is every named user except guests. RoleModerator and
// RoleAdmin come from tokens, for all rooms or for the rooms that the token names. RoleMember is outside
// the ladder: the connections that are in the room at that moment.
type Roles uint8

// The roles. RoleNobody is the role that no connection has.
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

// String lists the names of the roles in configurations, separated by commas.
func (r Roles) String() string {
	var all []string
	for i, name := range roleNames {
		if r&(1<<i) != 0 {
			all = append(all, name)
		}
	}
	return strings.Join(all, ",")
}

// RoleNames returns the names of all roles, in their order.
func RoleNames() []string { return roleNames[:] }

// ParseRole is the inverse of String for a single role.
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

// Rights is the table of a room: the roles that may do each action. An empty entry means
// RoleModerator, and RoleAdmin for ActManage, so the zero value permits nothing without a role
// from a token. The rights that a token itself grants come on top.
type Rights [numActions]Roles

// Talk is the number of actions of a conversation: all up to ActDeleteOwn.
const Talk = int(ActDeleteOwn) + 1

// OpenRights returns a table that permits all actions of a conversation to everybody, including
// anonymous connections. The other actions need a role from a token.
func OpenRights() (r Rights) {
	for a := range Talk {
		r[a] = RoleAnonymous
	}
	return r
}

// Allows reports whether one of the roles in held may do a.
func (r *Rights) Allows(held Roles, a Action) bool {
	allowed := r[a]
	if allowed == 0 {
		if allowed = RoleModerator; a == ActManage {
			allowed = RoleAdmin
		}
	}
	return allowed&held != 0
}

// RolesOf returns the roles from a token in room, or, if room is "", in all rooms. It never
// includes RoleMember.
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

// GuestPrefix is the prefix of every guest's user id, and of no other id.
const GuestPrefix = "guest:"

// GuestLifetime is how long a guest's token is valid.
const GuestLifetime = 30 * 24 * time.Hour

// IsGuest reports whether user is a guest: an anonymous connection that chose a name.
func IsGuest(user string) bool { return strings.HasPrefix(user, GuestPrefix) }

// caps maps the actions to those of token caps; 0 means that caps cannot permit the action.
var caps = [numActions]token.Action{
	ActJoin: token.Subscribe, ActRead: token.Subscribe, ActHistory: token.History, ActPresence: token.Presence,
	ActSend: token.Publish, ActTyping: token.Publish,
}

func granted(g *token.Grants, a Action, room string) bool {
	return caps[a] != 0 && g.Allows(caps[a], room)
}
