package room

import (
	"net/netip"
	"time"

	"webim/netpoll"
	"webim/room/policy"
	"webim/room/token"
	"webim/room/wire"
)

// The vocabulary of rights is that of package policy, which judges them.
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

// subject is what the judge is told of a client.
func (h *Hub) subject(who *token.Identity, addr netip.Addr) policy.Subject {
	return policy.Subject{Who: who, Addr: addr}
}

// Judge asks the judge about an action of a subject in a room with these options. ask tells
// whether the backend may be asked.
func (h *Hub) Judge(s policy.Subject, a Action, room string, o *Options, m policy.Membership, ask bool) Verdict {
	r := h.Standing(s, room)
	r.Name, r.Rights = room, &o.Rights
	switch {
	case !ask || m.Ticket:
	case a == ActJoin:
		r.Asks = h.Asks(HookSubscribe, room)
	case a == ActSend || a == ActEditOwn:
		r.Asks = h.Asks(HookPublish, room)
	}
	v := policy.Decide(s, a, r, m)
	return v
}

// Decide judges an action of somebody who has no connection to the room: of a request
// of the server API, or of the live picture. A nil who is a backend, which may do
// everything; room "" stands for all rooms. The error is nil or a wire.ErrorCode,
// perhaps with a sentence. What a backend would be asked is denied.
func (h *Hub) Decide(who *token.Identity, addr netip.Addr, a Action, room string) error {
	if v := h.decideFrom(who, addr, a, room); v.Outcome != policy.Allow {
		return h.Refusal(v)
	}
	return nil
}

// Can is Decide for what is only to be known: a refusal is not counted.
func (h *Hub) Can(who *token.Identity, addr netip.Addr, a Action, room string) bool {
	return h.decideFrom(who, addr, a, room).Outcome == policy.Allow
}

func (h *Hub) decideFrom(who *token.Identity, addr netip.Addr, a Action, room string) Verdict {
	if who == nil {
		return policy.Decide(policy.Subject{Backend: true}, a, policy.Room{Name: room}, policy.Membership{})
	}
	s := h.subject(who, addr)
	s.TokenEnded = h.tokenEnded(who)
	o := noOptions
	if room != "" {
		o = h.cfg.options(room)
	}
	return h.Judge(s, a, room, o, policy.Membership{}, true)
}

// ShownToModerators reports whether a room is one of those that the moderators of all
// rooms may see, whoever they are: see ActWatch.
func ShownToModerators(room string) bool {
	v := policy.Decide(policy.Subject{Who: Anonymous}, ActWatch, policy.Room{Name: room}, policy.Membership{Roles: RoleModerator})
	return v.Outcome == policy.Allow
}

// Refusal is the error of a verdict that does not allow; it is counted.
func (h *Hub) Refusal(v Verdict) error {
	h.denials.Add(1)
	if v.Err == nil { // nobody is asked here
		return wire.ErrPermissionDenied
	}
	return v.Err
}

// tokenEnded reports whether a token has run out, or was revoked, since it was judged.
func (h *Hub) tokenEnded(who *token.Identity) bool {
	now := time.Now()
	for _, end := range []time.Time{who.Expires, who.TokenExpires} {
		if !end.IsZero() && !now.Before(end) {
			return true
		}
	}
	return h.Revoked(who)
}

// subjectOf is what the judge is told of a session.
func (h *Hub) subjectOf(s Session) policy.Subject {
	return h.subject(s.state().who.Load(), h.whence(s.Conn()))
}

// whence is the address that a connection comes from, if any ban by address stands.
func (h *Hub) whence(c netpoll.Conn) netip.Addr {
	if !h.HasNetworks() {
		return netip.Addr{}
	}
	return AddressOf(c)
}

// JudgeSession judges an action of a session. Its membership is looked at only where the
// answer without one is no: most actions are allowed to everybody.
func (h *Hub) JudgeSession(s Session, a Action, room string, o *Options, ask bool) Verdict {
	who := h.subjectOf(s)
	v := h.Judge(who, a, room, o, policy.Membership{}, ask)
	if v.Outcome == policy.Allow && v.Slow == 0 || v.Outcome == policy.AskBackend || v.Outcome == policy.Deny && v.Err == error(wire.ErrBanned) {
		return v
	}
	m, in := s.Membership(room)
	if !in {
		return v
	}
	return h.Judge(who, a, room, o, m, ask)
}

// JudgeJoin judges whether a session may join a room by a membership that is still to be
// made: of a ticket, or of the room's roster.
func (h *Hub) JudgeJoin(s Session, room string, o *Options, m policy.Membership) Verdict {
	return h.Judge(h.subjectOf(s), ActJoin, room, o, m, false)
}

// JudgeTicket judges whether somebody may join a room by a ticket: a token that names the
// room, or the backend's permission.
func (h *Hub) JudgeTicket(who *token.Identity, addr netip.Addr, room string) Verdict {
	return h.Judge(h.subject(who, addr), ActJoin, room, noOptions, policy.Membership{Ticket: true}, false)
}

// CheckAction judges an action of a session where nobody is asked: nil, or an error for
// wire.ErrorReply. That the roster of a private room is still to be asked, and that a
// backend is, is no refusal.
func (h *Hub) CheckAction(s Session, a Action, room string, o *Options) error {
	if v := h.JudgeSession(s, a, room, o, true); v.Outcome == policy.Deny {
		return h.Refusal(v)
	}
	return nil
}

// CheckRights judges an action of a session without its backend, which does not answer.
func (h *Hub) CheckRights(s Session, a Action, room string) error {
	if v := h.JudgeSession(s, a, room, h.cfg.options(room), false); v.Outcome != policy.Allow {
		return h.Refusal(v)
	}
	return nil
}

// CheckSessionBan is CheckBan for a session.
func (h *Hub) CheckSessionBan(s Session, room string) error {
	return h.CheckBan(s.state().who.Load(), h.whence(s.Conn()), room)
}

// CheckBan judges whether somebody may be in a room, or, without one, connected.
func (h *Hub) CheckBan(who *token.Identity, addr netip.Addr, room string) error {
	return h.Judge(h.subject(who, addr), ActBe, room, noOptions, policy.Membership{}, false).Err
}
