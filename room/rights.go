package room

import (
	"net/netip"
	"time"

	"webim/netpoll"
	"webim/room/policy"
	"webim/room/token"
	"webim/room/wire"
)

// The vocabulary of rights is that of package policy, which decides about them.
type (
	Action  = policy.Action
	Roles   = policy.Roles
	Rights  = policy.Rights
	Verdict = policy.Verdict
)

// The actions.
const (
	ActJoin      = policy.ActJoin
	ActRead      = policy.ActRead
	ActHistory   = policy.ActHistory
	ActPresence  = policy.ActPresence
	ActSend      = policy.ActSend
	ActTyping    = policy.ActTyping
	ActEditOwn   = policy.ActEditOwn
	ActDeleteOwn = policy.ActDeleteOwn
	ActDeleteAny = policy.ActDeleteAny
	ActMute      = policy.ActMute
	ActKick      = policy.ActKick
	ActBan       = policy.ActBan
	ActManage    = policy.ActManage

	ActBe     = policy.ActBe
	ActSpeak  = policy.ActSpeak
	ActReact  = policy.ActReact
	ActTitle  = policy.ActTitle
	ActInvite = policy.ActInvite
	ActWatch  = policy.ActWatch
	ActMeet   = policy.ActMeet
)

// The roles.
const (
	RoleAnonymous = policy.RoleAnonymous
	RoleUser      = policy.RoleUser
	RoleMember    = policy.RoleMember
	RoleModerator = policy.RoleModerator
	RoleAdmin     = policy.RoleAdmin
	RoleNobody    = policy.RoleNobody
)

// Talk is the actions of a conversation: all up to ActDeleteOwn.
const Talk = policy.Talk

// Functions of package policy.
var (
	Actions     = policy.Actions
	ParseAction = policy.ParseAction
	RoleNames   = policy.RoleNames
	ParseRole   = policy.ParseRole
	OpenRights  = policy.OpenRights

	PersonalRoom = policy.PersonalRoom
	DirectRoom   = policy.DirectRoom
	IsDirect     = policy.IsDirect
	IsRoster     = policy.IsRoster
	UsersOf      = policy.UsersOf
	IsGuest      = policy.IsGuest
)

// The functions below collect the arguments of policy.Decide, and call it. They count nothing: a
// caller that refuses an action because of a verdict calls Refusal. They do not block, and are safe
// for concurrent use.

// Judge decides about an action of a subject in a room. m is the relation of the subject to the
// room. Room "" stands for the whole server. If the application's backend or the room's roster has
// to decide, the outcome is policy.AskBackend or policy.AskRoster. If m has the answer of the roster,
// the backend is not asked.
func (h *Hub) Judge(s policy.Subject, a Action, room string, m policy.Membership) Verdict {
	return h.judge(s, a, room, h.cfg.options(room), m, true)
}

// judge is Judge for a room with these options. ask is false if the backend must not be asked.
func (h *Hub) judge(s policy.Subject, a Action, room string, o *Options, m policy.Membership, ask bool) Verdict {
	r := h.Standing(s, room)
	r.Name, r.Rights = room, &o.Rights
	switch {
	case !ask || m.Ticket || m.Listed != policy.NotLooked:
	case a == ActJoin:
		r.Asks = h.Asks(HookSubscribe, room)
	case a == ActSend || a == ActEditOwn:
		r.Asks = h.Asks(HookPublish, room)
	}
	return policy.Decide(s, a, r, m)
}

// JudgeSession decides about an action of a session, with its membership in the room. ask is false
// if the backend was asked and gave no answer.
func (h *Hub) JudgeSession(s Session, a Action, room string, ask bool) Verdict {
	o, who := h.cfg.options(room), h.SubjectOf(s)
	v := h.judge(who, a, room, o, policy.Membership{}, ask)
	// Most actions are allowed to everybody, so the membership is only looked up if it can change the verdict.
	if v.Outcome == policy.Allow && v.Slow == 0 || v.Outcome == policy.AskBackend || v.Outcome == policy.Deny && v.Err == error(wire.ErrBanned) {
		return v
	}
	m, in := s.Membership(room)
	if !in {
		return v
	}
	return h.judge(who, a, room, o, m, ask)
}

// JudgeRequest decides about an action of a request that belongs to no session: of the server API, or
// of the live picture. The identity comes from Hub.Identify; nil is a backend with a key, which may do
// everything. Room "" stands for all rooms.
func (h *Hub) JudgeRequest(who *token.Identity, addr netip.Addr, a Action, room string) Verdict {
	if who == nil {
		return h.Judge(policy.Subject{Who: Anonymous, Backend: true}, a, room, policy.Membership{})
	}
	return h.Judge(policy.Subject{Who: who, Addr: addr, TokenEnded: h.tokenEnded(who)}, a, room, policy.Membership{})
}

// ShownToModerators reports whether the moderators of all rooms may see a room, whoever they are: see
// ActWatch.
func ShownToModerators(room string) bool {
	v := policy.Decide(policy.Subject{Who: Anonymous}, ActWatch, policy.Room{Name: room}, policy.Membership{Roles: RoleModerator})
	return v.Outcome == policy.Allow
}

// IsBanned reports whether a ban keeps a subject out of a room, or out of the server if room is "".
func (h *Hub) IsBanned(s policy.Subject, room string) bool {
	return h.judge(s, ActBe, room, noOptions, policy.Membership{}, false).Outcome == policy.Deny
}

// Refusal returns nil if the verdict allows the action. Otherwise it counts a refusal and returns the
// error: a wire.ErrorCode, perhaps with a sentence. The error is ErrPermissionDenied if a backend or a
// roster would have to decide, because the caller asks neither.
func (h *Hub) Refusal(v Verdict) error {
	if v.Outcome == policy.Allow {
		return nil
	}
	h.denials.Add(1)
	if v.Err == nil {
		return wire.ErrPermissionDenied
	}
	return v.Err
}

// SubjectOf returns a session as a subject. The address is set only if there are bans by address.
func (h *Hub) SubjectOf(s Session) policy.Subject {
	return policy.Subject{Who: s.state().who.Load(), Addr: h.addressForBans(s.Conn())}
}

// addressForBans returns the address of a connection if there are bans by address.
func (h *Hub) addressForBans(c netpoll.Conn) netip.Addr {
	if !h.HasNetworks() {
		return netip.Addr{}
	}
	return AddressOf(c)
}

// tokenEnded reports whether a token has expired, or was revoked, since it was verified.
func (h *Hub) tokenEnded(who *token.Identity) bool {
	now := time.Now()
	for _, end := range []time.Time{who.Expires, who.TokenExpires} {
		if !end.IsZero() && !now.Before(end) {
			return true
		}
	}
	return h.Revoked(who)
}
