package policy

import (
	"net/netip"
	"time"

	"webim/room/token"
	"webim/room/wire"
)

// A Subject is the user or application that wants to do something.
type Subject struct {
	Who        *token.Identity // from its token; not nil: a subject without a token has an empty identity
	Addr       netip.Addr      // its address; the zero value means unknown
	Backend    bool            // the application itself: the server API, called with a key
	TokenEnded bool            // its token has expired or was revoked
}

// A Room describes the room of an action, and the state of the room for the subject. A Room
// without a name stands for the server: an action in all rooms, or in none.
type Room struct {
	Name   string
	Rights *Rights // nil means the zero value
	Asks   bool    // a backend decides about this action

	// Sanctions against the subject, by its user or its address: on the whole server, and in
	// this room.
	Bans, Mutes [2]Reach
	Ends        [2]time.Time // the ends of the mutes; zero means no end

	Locked bool
	Slow   time.Duration // minimum time between two messages of a user; 0 means no limit
}

// Indices of Room.Bans, Room.Mutes and Room.Ends.
const (
	Everywhere = iota
	Here
)

// Membership describes the relation of the subject to the room.
type Membership struct {
	In     bool          // the subject is a member, or is joining
	Ticket bool          // it joins with a subscription token, or with the permission of a backend
	Listed Listing       // the roster's entry of the subject, when it joins a $ room; of the other user, for ActMeet
	Roles  Roles         // roles that the roster adds
	Grants *token.Grants // from its subscription token; nil means none
}

// A Listing is the result of looking up a user in a roster.
type Listing uint8

// The listings.
const (
	NotLooked Listing = iota
	NotListed
	IsListed
)

// Reach says which subjects a sanction binds. Admins rank above moderators, and only a token
// says that a user is an admin. So Binds decides when the subject acts, not when somebody
// imposes the sanction.
type Reach uint8

// The values of Reach; a greater one binds more subjects.
const (
	Nobody Reach = iota
	Most         // all except admins
	All
)

// Binds reports whether a sanction binds the subject. room is the room in which the sanction
// was imposed; "" means on the whole server.
func (r Reach) Binds(who *token.Identity, room string) bool {
	return r == All || r == Most && RolesOf(who, room)&RoleAdmin == 0
}

// Outcome is the kind of a Verdict.
type Outcome uint8

// The outcomes.
const (
	Deny       Outcome = iota // Verdict.Err says why
	Allow                     //
	AskBackend                // the application decides; without its answer, decide again with Asks false
	AskRoster                 // the room's roster decides: decide again with Membership.Listed
)

// A Verdict is the result of Decide.
type Verdict struct {
	Outcome
	Err   error         // with Deny: a wire.ErrorCode, perhaps with a sentence
	Until time.Time     // with Deny because of a mute: the end of the mute; zero means no end
	Slow  time.Duration // with Allow and AskBackend: the minimum time between two messages of the subject
}

func deny(code wire.ErrorCode) Verdict { return Verdict{Err: code} }

// Decide decides whether a subject may do an action in a room. No other code refuses an action
// for lack of a right. The order of the checks is part of the contract, because the result of
// one check must not reveal anything about the later ones:
//
//  1. A backend may do everything. A subject with a token that has ended may do nothing.
//  2. A private room admits only the users in its name or on its roster, regardless of the rights.
//  3. A ban denies everything.
//  4. The rights decide: those of the room's table, of the token's roles and caps, and of the membership.
//     If a backend is asked, it replaces the right to join or to send, and no other right.
//  5. A mute or a lock denies speech. Moderators may speak in locked rooms and
//     have no slow mode, because they may mute others.
//
// Decide is a pure function, safe for concurrent use. It allocates only when it denies with a
// sentence.
func Decide(s Subject, a Action, r Room, m Membership) Verdict {
	if s.Backend {
		return Verdict{Outcome: Allow}
	}
	if s.TokenEnded {
		return deny(wire.ErrUnauthorized)
	}
	roster := false
	if a != ActBe && IsPrivate(r.Name) {
		var may bool
		if may, roster = admits(s.Who, a, &r, &m); !may {
			return deny(wire.ErrPermissionDenied)
		}
	}
	if r.Bans[Everywhere].Binds(s.Who, "") || r.Bans[Here].Binds(s.Who, r.Name) {
		return deny(wire.ErrBanned)
	}
	ask := r.Asks && !m.Ticket
	instead := ask && (a == ActJoin || a == ActSend)
	if a < numActions || a.right(r.Name) != a || a == ActWatch {
		if !instead && !m.passes(s.Who, a, &r) {
			return deny(wire.ErrPermissionDenied)
		}
	}
	v := Verdict{Outcome: Allow}
	if a.isSpeech() {
		if v = speaks(s.Who, &r, &m); v.Outcome == Deny {
			return v
		}
	}
	switch {
	case ask:
		v.Outcome = AskBackend
	case roster:
		v.Outcome = AskRoster
	}
	return v
}

// admits decides about a private room by its name and its roster. If ask is true, the roster
// has not been looked up yet. A subscription token or the permission of a backend admits to $
// rooms, and never to # rooms.
func admits(who *token.Identity, a Action, r *Room, m *Membership) (may, ask bool) {
	joins := a == ActJoin || a == ActRead
	switch {
	case r.Name[0] == nameMark:
		return owns(who.User, r.Name), false
	case m.In || m.Ticket || joins && r.Asks:
		return true, false
	case !joins || who.User == "":
		return false, false
	case m.Listed == NotLooked:
		return true, true
	}
	return m.Listed == IsListed || RolesOf(who, r.Name)&RoleAdmin != 0, false
}

// passes reports whether the rights permit the action.
func (m *Membership) passes(who *token.Identity, a Action, r *Room) bool {
	if a == ActWatch || a == ActMeet && m.Listed != IsListed {
		return (RolesOf(who, "")|m.Roles)&RoleModerator != 0
	}
	a = a.right(r.Name)
	if m.Ticket && (a == ActJoin || a == ActRead) {
		return true
	}
	held := RolesOf(who, r.Name) | m.Roles
	if m.In {
		held |= RoleMember
	}
	rights := r.Rights
	if rights == nil {
		rights = &Rights{}
	}
	return rights.Allows(held, a) ||
		r.Name != "" && granted(&who.Grants, a, r.Name) || // caps name rooms, so they grant nothing on the whole server
		m.Grants != nil && granted(m.Grants, a, r.Name)
}

// speaks decides about speech by mutes, the lock and the slow mode.
func speaks(who *token.Identity, r *Room, m *Membership) Verdict {
	for i, where := range [2]string{Everywhere: "", Here: r.Name} {
		if !r.Mutes[i].Binds(who, where) {
			continue
		}
		text, until := "you are muted here", r.Ends[i]
		if !until.IsZero() {
			text += " until " + until.UTC().Format(time.RFC3339)
		}
		return Verdict{Err: wire.Explain(wire.ErrMuted, text), Until: until}
	}
	switch {
	case !r.Locked && r.Slow == 0 || m.passes(who, ActMute, r):
		return Verdict{Outcome: Allow}
	case r.Locked:
		return Verdict{Err: wire.Explain(wire.ErrLocked, "the room is locked")}
	}
	return Verdict{Outcome: Allow, Slow: r.Slow}
}
