package judge

import (
	"net/netip"
	"sync/atomic"
	"time"

	"webim/netpoll"
	"webim/netpoll/ratelog"
	"webim/room/backend"
	"webim/room/guest"
	"webim/room/identity"
	"webim/room/moderation"
	"webim/room/policy"
	"webim/room/token"
	"webim/room/wire"
)

// Config has the parts that a Judge asks. Options, Moderator, Tokens, Guests and Log are required.
type Config struct {
	// Options returns the options of a room; the whole server, room "", has none.
	Options func(room string) *policy.Options
	// Moderator knows the bans, the mutes and the settings of rooms.
	Moderator *moderation.Moderator
	// Backend decides about some actions; nil: about none.
	Backend backend.Backend
	// Tokens verifies the tokens of the application.
	Tokens *token.Verifier
	// Guests verify their own tokens; nil: there are none. Welcome reports whether such a token is valid now: while clients without
	// a token are accepted. Required with Guests.
	Guests  *guest.Guests
	Welcome func() bool
	// Revoked has the tokens that were revoked; nil: none was.
	Revoked *token.Revoked
	// StateIsOld reports whether this node may not know the bans, revocations and rosters of the last seconds: see
	// engine.Copier. nil: it always knows them.
	StateIsOld func() bool
	// Log gets a line when a client is refused.
	Log *ratelog.Logger
}

// A Judge decides about the actions of clients. Its methods do not block, and are safe for concurrent
// use. They count nothing: a caller that refuses an action because of a verdict calls Refusal.
type Judge struct {
	cfg    Config
	denied atomic.Int64
	tokens [NumTokenReasons]atomic.Int64 // refused
}

// New returns a Judge.
func New(cfg Config) *Judge { return &Judge{cfg: cfg} }

// A Client is a connection that may have several memberships, as a identity.Session.
type Client interface {
	// Identity returns the identity of the client, which must not be changed.
	Identity() *token.Identity
	// Conn returns the connection.
	Conn() netpoll.Conn
	// Membership returns the relation of the client to a room. in is true if it is a member or is joining.
	Membership(room string) (m policy.Membership, in bool)
}

// Decide decides about an action of a subject in a room. m is the relation of the subject to the
// room. Room "" stands for the whole server. If the application's backend or the room's roster has
// to decide, the outcome is policy.AskBackend or policy.AskRoster. If m has the answer of the roster,
// the backend is not asked.
func (j *Judge) Decide(s policy.Subject, a policy.Action, room string, m policy.Membership) policy.Verdict {
	return j.DecideIn(s, a, room, j.cfg.Options(room), m)
}

// DecideIn is Decide for a room whose options the caller knows.
func (j *Judge) DecideIn(s policy.Subject, a policy.Action, room string, o *policy.Options, m policy.Membership) policy.Verdict {
	return j.decide(s, a, room, o, m, true)
}

// decide is DecideIn. ask is false if the backend must not be asked.
func (j *Judge) decide(s policy.Subject, a policy.Action, room string, o *policy.Options, m policy.Membership, ask bool) policy.Verdict {
	r := j.cfg.Moderator.Standing(s, room)
	r.Name, r.Rights = room, &o.Rights
	switch {
	case !ask || m.Ticket || m.Listed != policy.NotLooked:
	case a == policy.ActJoin:
		r.Asks = j.asks(backend.HookSubscribe, room)
	case a == policy.ActSend || a == policy.ActEditOwn:
		r.Asks = j.asks(backend.HookPublish, room)
	}
	return policy.Decide(s, a, r, m)
}

// Session decides about an action of a session, with its membership in the room. ask is false
// if the backend was asked and gave no answer.
func (j *Judge) Session(s Client, a policy.Action, room string, ask bool) policy.Verdict {
	o, who := j.cfg.Options(room), j.SubjectOf(s)
	v := j.decide(who, a, room, o, policy.Membership{}, ask)
	// Most actions are allowed to everybody, so the membership is only looked up if it can change the verdict.
	if v.Outcome == policy.Allow && v.Slow == 0 || v.Outcome == policy.AskBackend || v.Outcome == policy.Deny && v.Err == error(wire.ErrBanned) {
		return v
	}
	m, in := s.Membership(room)
	if !in {
		return v
	}
	return j.decide(who, a, room, o, m, ask)
}

// Request decides about an action of a request that belongs to no session: of the server API, or
// of the live picture. The identity comes from Identify; nil is a backend with a key, which may do
// everything. Room "" stands for all rooms.
func (j *Judge) Request(who *token.Identity, addr netip.Addr, a policy.Action, room string) policy.Verdict {
	if who == nil {
		return j.Decide(policy.Subject{Who: token.Anonymous, Backend: true}, a, room, policy.Membership{})
	}
	return j.Decide(policy.Subject{Who: who, Addr: addr, TokenEnded: j.tokenEnded(who)}, a, room, policy.Membership{})
}

// ShownToModerators reports whether the moderators of all rooms may see a room, whoever they are: see
// ActWatch.
func ShownToModerators(room string) bool {
	v := policy.Decide(policy.Subject{Who: token.Anonymous}, policy.ActWatch, policy.Room{Name: room}, policy.Membership{Roles: policy.RoleModerator})
	return v.Outcome == policy.Allow
}

// noOptions are the options for questions that no right answers.
var noOptions = &policy.Options{}

// IsBanned reports whether a ban keeps a subject out of a room, or out of the server if room is "".
func (j *Judge) IsBanned(s policy.Subject, room string) bool {
	return j.decide(s, policy.ActBe, room, noOptions, policy.Membership{}, false).Outcome == policy.Deny
}

// Refusal returns nil if the verdict allows the action. Otherwise it counts a refusal and returns the
// error: a wire.ErrorCode, perhaps with a sentence. The error is ErrPermissionDenied if a backend or a
// roster would have to decide, because the caller asks neither.
func (j *Judge) Refusal(v policy.Verdict) error {
	if v.Outcome == policy.Allow {
		return nil
	}
	j.denied.Add(1)
	if v.Err == nil {
		return wire.ErrPermissionDenied
	}
	return v.Err
}

// SubjectOf returns a session as a subject. The address is set only if there are bans by address.
func (j *Judge) SubjectOf(s Client) policy.Subject {
	return policy.Subject{Who: s.Identity(), Addr: j.AddressForBans(s.Conn())}
}

// AddressForBans returns the address of a connection if there are bans by address.
func (j *Judge) AddressForBans(c netpoll.Conn) netip.Addr {
	if !j.cfg.Moderator.HasNetworks() {
		return netip.Addr{}
	}
	return identity.AddressOf(c)
}

// tokenEnded reports whether a token has expired, or was revoked, since it was verified.
func (j *Judge) tokenEnded(who *token.Identity) bool {
	now := time.Now()
	for _, end := range []time.Time{who.Expires, who.TokenExpires} {
		if !end.IsZero() && !now.Before(end) {
			return true
		}
	}
	return j.Revoked(who)
}

// Denied returns how many actions were refused for lack of a right.
func (j *Judge) Denied() int64 { return j.denied.Load() }

// asks reports whether there is a backend that handles a hook in a room.
func (j *Judge) asks(k backend.Hook, room string) bool {
	return j.cfg.Backend != nil && j.cfg.Backend.Asks(k, room)
}

// NoLongerHere is the reason of the close of a plain client that may no longer stay.
const NoLongerHere = "you may no longer be in this room"

// MayStay reports whether the rights of a room still allow a member to be there and to read. m is the membership as it was
// when the member joined. What a backend or a roster has decided stays in force.
func (j *Judge) MayStay(s policy.Subject, room string, m policy.Membership) bool {
	for _, a := range [2]policy.Action{policy.ActJoin, policy.ActRead} {
		if j.Decide(s, a, room, m).Outcome == policy.Deny {
			return false
		}
	}
	return true
}
