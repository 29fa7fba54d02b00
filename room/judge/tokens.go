package judge

import (
	"errors"
	"net/netip"

	"webim/room/policy"
	"webim/room/token"
	"webim/room/wire"
)

// TakesTokens reports whether any connection token can be valid.
func (j *Judge) TakesTokens() bool { return j.cfg.Tokens.HasKeys() || j.welcomes() }

// welcomes reports whether tokens of guests are valid now.
func (j *Judge) welcomes() bool { return j.cfg.Guests != nil && j.cfg.Welcome() }

// Identify verifies a connection token as the connect command does: the token must be valid and not
// revoked, and neither its user nor the address banned. done may be called later, from any goroutine.
func (j *Judge) Identify(text string, addr netip.Addr, done func(*token.Identity, error)) {
	j.VerifyToken(text, func(who *token.Identity, err error) {
		if err = j.CheckToken(who, err); err == nil {
			err = j.Admit(policy.Subject{Who: who, Addr: addr}, "")
		}
		done(who, err)
	})
}

// VerifyToken verifies a connection token, of a guest or of the application. done may be called later,
// from any goroutine.
func (j *Judge) VerifyToken(text string, done func(*token.Identity, error)) {
	if j.welcomes() {
		if who, ours, err := j.cfg.Guests.Verify(text); ours {
			done(who, err)
			return
		}
	}
	j.cfg.Tokens.Connection(text, func(who *token.Identity, err error) {
		if who != nil && policy.IsGuest(who.User) {
			who = nil
			if err == nil {
				err = ErrTokenGuest
			}
		}
		done(who, err)
	})
}

// IsOfGuest reports whether a connection token is one that webim has given to a guest. It may have expired, and guests may not be
// accepted any more.
func (j *Judge) IsOfGuest(text string) bool {
	if j.cfg.Guests == nil {
		return false
	}
	_, ours, _ := j.cfg.Guests.Verify(text)
	return ours
}

// CheckToken checks the result of VerifyToken for a revocation, logs an error, and returns it in the form
// for clients: nil, ErrTokenExpired, ErrInternal or DisconnectInvalidToken. of is that of LogToken.
func (j *Judge) CheckToken(who *token.Identity, err error, of ...any) error {
	if err == nil && j.Revoked(who) {
		err = ErrTokenRevoked
	}
	if err != nil {
		j.LogToken("connection", err, of...)
	}
	switch {
	case errors.Is(err, token.ErrExpired):
		return wire.ErrTokenExpired
	case errors.Is(err, token.ErrUnavailable):
		return wire.ErrInternal
	case err != nil:
		return wire.DisconnectInvalidToken
	}
	return nil
}

// LogToken logs and counts why a token is refused. kind is "connection" or "subscription". of has attributes of
// the client for the line: see identity.Logged.
func (j *Judge) LogToken(kind string, err error, of ...any) {
	j.tokens[reasonOf(err)].Add(1)
	var why *token.Error
	reason, see := err.Error(), ""
	if errors.As(err, &why) {
		reason, see = why.Reason, why.See
	}
	args := append([]any{"reason", reason, "see", see}, of...)
	switch {
	case errors.Is(err, token.ErrExpired):
		j.cfg.Log.Info("a "+kind+" token has expired", args...)
	case errors.Is(err, token.ErrUnavailable):
		j.cfg.Log.Warn("a "+kind+" token cannot be judged now", args...)
	default:
		j.cfg.Log.Warn("a "+kind+" token is refused", args...)
	}
}

// The errors of valid tokens that are refused.
var (
	ErrTokenRevoked = &token.Error{Kind: token.ErrInvalid, Reason: "it was revoked, or all of its user's", See: "the API's revoke"}
	ErrTokenGuest   = &token.Error{Kind: token.ErrInvalid, Reason: "its user begins with guest:, which only webim's own tokens have"}
	ErrTokenOthers  = &token.Error{Kind: token.ErrInvalid, Reason: "it is another user's, another connection's or for another room"}
)

// LogTokenless logs and counts that a client without a token is refused. of is that of LogToken.
func (j *Judge) LogTokenless(of ...any) {
	j.tokens[TokenMissing].Add(1)
	j.cfg.Log.Warn("a client without a token is refused", append([]any{"see", "open, rooms (allow), hook_connect"}, of...)...)
}

// Revoked reports whether the token of an identity is no longer valid.
func (j *Judge) Revoked(who *token.Identity) bool {
	return j.cfg.Revoked != nil && who != token.Anonymous && j.cfg.Revoked.Check(who.User, who.ID, who.IssuedAt)
}
