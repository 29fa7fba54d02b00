package room

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

// Allow tells whether any room of the patterns lets one of the roles do
// anything.
func (ps Patterns) Allow(held Roles) bool {
	for i := range ps {
		for a := range numActions {
			if ps[i].Options.Rights.Allows(held, a) {
				return true
			}
		}
	}
	return false
}

// rolesOf are somebody's roles in a room, but RoleMember.
func rolesOf(who *token.Identity, room string) Roles {
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

// caps are what a token calls the actions; 0: it cannot permit them.
var caps = [numActions]token.Action{
	ActJoin: token.Subscribe, ActRead: token.Subscribe, ActHistory: token.History, ActPresence: token.Presence,
	ActSend: token.Publish, ActTyping: token.Publish,
}

func granted(g *token.Grants, a Action, room string) bool {
	return caps[a] != 0 && g.Allows(caps[a], room)
}

// Allows reports whether somebody who is not in the room may do something
// there, by the configuration or the token. It does not allocate.
func (h *Hub) Allows(who *token.Identity, a Action, room string) bool {
	if isPrivate(room) && !owns(who.User, room) {
		return false
	}
	return h.allows(who, 0, a, room, h.cfg.options(room))
}

// AllowsEverywhere reports whether somebody may do something in whatever room, by
// a role in all of them.
func (h *Hub) AllowsEverywhere(who *token.Identity, a Action) bool {
	return h.allows(who, 0, a, "", noOptions)
}

// allows is Allows for one who has a further role, and a room whose options are
// known.
func (h *Hub) allows(who *token.Identity, further Roles, a Action, room string, o *Options) bool {
	return o.Rights.Allows(further|rolesOf(who, room), a) || granted(&who.Grants, a, room)
}

// may judges one command of a session: nil, ErrBanned or ErrPermissionDenied. A
// member is also one whose joining is under way.
func (s *session) may(a Action, room string, o *Options) error {
	if err := s.notBanned(room); err != nil {
		return err // many may talk where they are not: taking them out is not all
	}
	if s.mayBy(a, room, o) {
		return nil
	}
	return s.hub.denied()
}

// allowed is may for what is no command of its own.
func (s *session) allowed(a Action, room string) bool {
	return s.notBanned(room) == nil && s.mayBy(a, room, s.hub.cfg.options(room))
}

func (s *session) mayBy(a Action, room string, o *Options) bool {
	who := s.who.Load()
	if isPrivate(room) && !s.admitted(a, room) {
		return false
	}
	if s.hub.allows(who, 0, a, room, o) {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.find(room)
	if i >= 0 {
		t := s.subs[i].token
		if t == nil {
			t = &subToken{}
		}
		if s.hub.allows(who, RoleMember|t.roles, a, room, o) || granted(&t.grants, a, room) {
			return true
		}
	}
	return false
}
