package policy

import (
	"net/netip"
	"time"

	"webim/room/token"
	"webim/room/wire"
)

// A Subject is who wants to do something.
type Subject struct {
	Who     *token.Identity // what its token says; without one an identity without anything
	Addr    netip.Addr      // where it comes from; the zero value: not known
	Backend bool            // the server API with a key: the application itself
	Void    bool            // its token has run out, or was revoked
}

// A Room is where, and how things stand there for the subject. The zero value, with
// no name, is the server: what is done in all rooms, or in none.
type Room struct {
	Name   string
	Rights *Rights // nil: of the zero value
	Asks   bool    // a backend is to be asked about this action

	// Sanctions of the subject, by its user or its address: everywhere, and here.
	Bans, Mutes [2]Reach
	Ends        [2]time.Time // of the mutes; zero: it has no end

	Locked bool
	Slow   time.Duration // between two messages of a user; 0: none
}

// Indices of Room.Bans and Room.Mutes.
const (
	Everywhere = iota
	Here
)

// Membership is what being in the room adds.
type Membership struct {
	In     bool          // the subject is a member, or its joining is under way
	Ticket bool          // it joins with a subscription token, or a backend's yes
	Listed Listing       // what the room's roster says: of the subject, for joining a $ room; of the other user, for ActMeet
	Roles  Roles         // that the roster adds
	Grants *token.Grants // of its subscription token; nil: none
}

// A Listing is an entry of a roster, or that there is none.
type Listing uint8

// The listings.
const (
	NotLooked Listing = iota
	NotListed
	IsListed
)

// Reach is whom a sanction binds. Admins are above moderators, and who is one says
// only a token, so that is judged when the subject does something, and not when
// somebody imposes the sanction.
type Reach uint8

// The reaches; a greater one binds more.
const (
	Nobody Reach = iota
	Most         // but admins
	All
)

// Binds reports whether a sanction that was imposed in a room, or, without one,
// everywhere, binds somebody.
func (r Reach) Binds(who *token.Identity, room string) bool {
	return r == All || r == Most && RolesOf(who, room)&RoleAdmin == 0
}

// Outcome is what becomes of a question.
type Outcome uint8

// The outcomes.
const (
	Deny       Outcome = iota // the Verdict says with which error
	Allow                     //
	AskBackend                // the application decides; without its answer, decide again with Asks false
	AskRoster                 // the room's roster decides: decide again with Membership.Listed
)

// A Verdict is the answer of Decide.
type Verdict struct {
	Outcome
	Err   error         // of Deny: a wire.ErrorCode, perhaps with a sentence
	Until time.Time     // of Deny because of a mute: its end; zero: it has none
	Slow  time.Duration // of Allow and AskBackend: the time that must pass between two messages of the subject
}

func deny(code wire.ErrorCode) Verdict { return Verdict{Err: code} }

// Decide judges whether a subject may do something in a room. It is the one judge:
// sockets of both dialects, calls, the server API, hooks and the live picture ask it,
// and nothing else refuses anybody for lack of a right. The order is part of the
// contract, for an answer may tell nothing of what comes behind it:
//
//  1. A backend may do everything. A void token may do nothing.
//  2. Private rooms are for those whom their name or roster says, whatever the rights.
//  3. Nobody does anything where a ban binds it.
//  4. The rights: of the room's table, of the token's roles and caps, of the membership.
//     A backend that is asked stands for the right to join or to send, and for no other.
//  5. Nobody says anything where a mute or a lock binds it. Moderators, who may mute
//     others, speak in locked rooms, and are not slowed down.
//
// It is a function of its arguments, safe for concurrent use, and allocates only when
// it denies with a sentence.
func Decide(s Subject, a Action, r Room, m Membership) Verdict {
	if s.Backend {
		return Verdict{Outcome: Allow}
	}
	if s.Void {
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

// admits judges a private room by its name and its roster; ask: the roster was not
// looked at yet. A subscription token, or a backend's yes, opens $ rooms, # rooms never.
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

// passes judges an action by the rights.
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
		r.Name != "" && granted(&who.Grants, a, r.Name) || // caps name rooms: they give nothing in all of them
		m.Grants != nil && granted(m.Grants, a, r.Name)
}

// speaks judges what mutes and the room's settings have against a subject.
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
