package centrifuge

import (
	"time"

	"webim/room"
	"webim/room/cost"
	"webim/room/engine"
	"webim/room/policy"
	"webim/room/token"
)

// sub is a session's membership of a room, complete or under way, in 32 bytes.
type sub struct {
	room    *room.Room
	pending *room.PendingJoin // not nil while the membership is under way and has no slot
	token   *subToken         // from its token or the roster, or nil
	slot    room.Slot
	kind    room.Kind
	notices bool // the room announces when it ends
	server  bool // the server made it
	placed  bool // the client relies on its position
}

// subToken holds the claims of a subscription's token, and the roles of the room's roster.
type subToken struct {
	info    []byte // ChanInfo
	expires int64  // unix seconds; 0 means never
	grants  token.Grants
	roles   policy.Roles // of the roster
	id      string       // of the token, for revocation
	issued  int64        // unix seconds; 0 if not known, or without a token

	byServer bool // the backend has set the expiry, and there is no token to renew
	ticket   bool // it comes from a token of the subscription or from the backend, and not only from the roster
}

// newSubToken returns nil if neither the token nor the roster says anything.
func newSubToken(w *subscription) *subToken {
	t := &subToken{info: w.info, grants: w.grants, roles: w.roles, id: w.id, byServer: w.byServer, ticket: w.ticket}
	if !w.expires.IsZero() {
		t.expires = w.expires.Unix()
	}
	if !w.issued.IsZero() {
		t.issued = w.issued.Unix()
	}
	if len(t.info) == 0 && t.issued == 0 && t.expires == 0 && t.grants.None() && t.roles == 0 && t.id == "" && !t.ticket {
		return nil
	}
	return t
}

// A subscription describes a membership to make.
type subscription struct {
	room    string
	opts    *policy.Options
	notices bool             // the client gets the notices of joins and leaves
	since   *engine.Position // recover from here; nil means no recovery
	strict  bool             // fail if the recovery is impossible
	server  bool             // the server makes it
	placed  bool             // the client gets its position, and learns of gaps
	info    []byte
	expires time.Time
	grants  token.Grants
	roles   policy.Roles // of the roster
	id      string       // of its token
	issued  time.Time    // of its token; zero if not known
	ticket  bool         // as subToken.ticket
	latch   *room.Latch  // the room gives a slot after the latch has opened; nil means no latch

	byServer bool        // as subToken.byServer
	reply    *cost.Reply // for the recovered publications; nil means a budget of its own
}

// isRevoked reports whether a control message revokes the token.
func (t *subToken) isRevoked(o *engine.ControlMessage) bool {
	if o.Token != "" {
		return t.id == o.Token
	}
	return t.issued != 0 && !t.issuedAt().After(o.At)
}

// issuedAt returns the time at which the token was issued; zero if not known.
func (t *subToken) issuedAt() (at time.Time) {
	if t.issued != 0 {
		at = time.Unix(t.issued, 0)
	}
	return at
}

// membershipAt returns a membership as it was when the session joined. t may be nil.
func membershipAt(room string, server bool, t *subToken) (m policy.Membership) {
	m.In = policy.IsPrivate(room) // a roster has decided; RoleMember gives no right to join
	m.Ticket = server
	if t != nil {
		m.Roles, m.Grants = t.roles, &t.grants
		m.Ticket = m.Ticket || t.ticket
	}
	return m
}
