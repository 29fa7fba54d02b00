package room

import (
	"errors"
	"time"

	"webim/room/token"
	"webim/room/wire"
)

// ErrNotOperator: a token that is good, but whose role is not moderator or admin in
// all rooms.
var ErrNotOperator = errors.New("room: the token's role is not moderator or admin in all rooms")

// Operator judges the token of somebody who wants to see, and to do, what only
// those may who run the server: a connection token with the role moderator or
// admin in all rooms. The error is ErrNotOperator, or what wire has for such a
// token. done is called once: at once, unless a key must be fetched; then from a
// goroutine that it must not hold up.
func (h *Hub) Operator(text string, done func(*token.Identity, error)) {
	if !h.takesTokens() {
		done(nil, wire.DisconnectInvalidToken)
		return
	}
	h.verify(text, func(who *token.Identity, err error) {
		if err = h.judge(who, err); err == nil && !h.IsOperator(who) {
			err = ErrNotOperator
		}
		if err != nil {
			who = nil
		}
		done(who, err)
	})
}

// IsOperator reports whether somebody whose token was good is an operator still:
// it has not expired, nor been revoked.
func (h *Hub) IsOperator(who *token.Identity) bool {
	now := time.Now()
	for _, end := range []time.Time{who.Expires, who.TokenExpires} {
		if !end.IsZero() && !now.Before(end) {
			return false
		}
	}
	return rolesOf(who, "")&RoleModerator != 0 && !h.revoked(who)
}
