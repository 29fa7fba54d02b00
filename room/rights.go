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
func (h *Hub) subject(who *identity, addr netip.Addr) policy.Subject {
	return policy.Subject{Who: who, Addr: addr}
}

// decide asks the judge. ask tells whether the backend may be asked.
func (h *Hub) decide(s policy.Subject, a Action, room string, o *Options, m policy.Membership, ask bool) Verdict {
	r := h.sanctions.standing(s, room)
	r.Name, r.Rights = room, &o.Rights
	switch {
	case !ask || m.Ticket:
	case a == ActJoin:
		r.Asks = h.asks(HookSubscribe, room)
	case a == ActSend || a == ActEditOwn:
		r.Asks = h.asks(HookPublish, room)
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
		return h.refusal(v)
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
	s.Void = h.isVoid(who)
	o := noOptions
	if room != "" {
		o = h.cfg.options(room)
	}
	return h.decide(s, a, room, o, policy.Membership{}, true)
}

// ShownToModerators reports whether a room is one of those that the moderators of all
// rooms may see, whoever they are: see ActWatch.
func ShownToModerators(room string) bool {
	v := policy.Decide(policy.Subject{Who: anonymous}, ActWatch, policy.Room{Name: room}, policy.Membership{Roles: RoleModerator})
	return v.Outcome == policy.Allow
}

// refusal is the error of a verdict that does not allow; it is counted.
func (h *Hub) refusal(v Verdict) error {
	h.counters.denials.Add(1)
	if v.Err == nil { // nobody is asked here
		return wire.ErrPermissionDenied
	}
	return v.Err
}

// isVoid reports whether a token has run out, or was revoked, since it was judged.
func (h *Hub) isVoid(who *identity) bool {
	now := time.Now()
	for _, end := range []time.Time{who.Expires, who.TokenExpires} {
		if !end.IsZero() && !now.Before(end) {
			return true
		}
	}
	return h.revoked(who)
}

// subject is what the judge is told of a session.
func (s *session) subject() policy.Subject {
	return s.hub.subject(s.who.Load(), s.hub.whence(s.conn))
}

// whence is the address that a connection comes from, if any ban by address stands.
func (h *Hub) whence(c netpoll.Conn) netip.Addr {
	if h.sanctions.byAddress.Load() == 0 {
		return netip.Addr{}
	}
	return addressOf(c)
}

// decide judges an action of the session. Its membership is looked at only where the
// answer without one is no: most actions are allowed to everybody.
func (s *session) decide(a Action, room string, o *Options, ask bool) Verdict {
	who := s.subject()
	v := s.hub.decide(who, a, room, o, policy.Membership{}, ask)
	if v.Outcome == policy.Allow && v.Slow == 0 || v.Outcome == policy.AskBackend || v.Outcome == policy.Deny && v.Err == error(wire.ErrBanned) {
		return v
	}
	m, in := s.membership(room)
	if !in {
		return v
	}
	return s.hub.decide(who, a, room, o, m, ask)
}

// membership is what the session is in a room. A member is also one whose joining is
// under way.
func (s *session) membership(room string) (m policy.Membership, in bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.find(room)
	if i < 0 {
		return m, false
	}
	m.In = true
	if t := s.subs[i].token; t != nil {
		m.Roles, m.Grants = t.roles, &t.grants
	}
	return m, true
}

// may judges an action of the session where nobody is asked: nil, or an error for
// wire.ErrorReply. That the roster of a private room is still to be asked, and that a
// backend is, is no refusal.
func (s *session) may(a Action, room string, o *Options) error {
	if v := s.decide(a, room, o, true); v.Outcome == policy.Deny {
		return s.hub.refusal(v)
	}
	return nil
}

// rights judges an action of the session without its backend, which does not answer.
func (s *session) rights(a Action, room string) error {
	if v := s.decide(a, room, s.hub.cfg.options(room), false); v.Outcome != policy.Allow {
		return s.hub.refusal(v)
	}
	return nil
}

// mayBe judges whether the session may be in a room, or, without one, connected.
func (s *session) mayBe(room string) error {
	return s.hub.mayBe(s.who.Load(), s.hub.whence(s.conn), room)
}

// mayBe is mayBe of a session, for somebody who has none, or none yet.
func (h *Hub) mayBe(who *identity, addr netip.Addr, room string) error {
	return h.decide(h.subject(who, addr), ActBe, room, noOptions, policy.Membership{}, false).Err
}
