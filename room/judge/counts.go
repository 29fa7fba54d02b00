package judge

import (
	"errors"

	"webim/room/token"
)

// TokenReason is a reason for which a token is refused. There are few: the log has the details.
type TokenReason uint8

// The reasons.
const (
	TokenInvalid     TokenReason = iota // its form, its signature or its claims are wrong, or no key fits
	TokenExpired                        // its time is over
	TokenRevoked                        // it was revoked, or all of its user's
	TokenUnavailable                    // the keys could not be fetched
	TokenForeign                        // it is another user's, another connection's, for another room or as a guest's
	TokenMissing                        // there is none, and nobody may come without
	NumTokenReasons
)

var tokenReasonNames = [NumTokenReasons]string{"invalid", "expired", "revoked", "unavailable", "foreign", "missing"}

// String returns the name of a reason, for metrics.
func (r TokenReason) String() string { return tokenReasonNames[r] }

// RefusedTokens returns how many tokens were refused, by reason.
func (j *Judge) RefusedTokens() (counts [NumTokenReasons]int64) {
	for r := range counts {
		counts[r] = j.tokens[r].Load()
	}
	return counts
}

// reasonOf returns the reason of an error for LogToken.
func reasonOf(err error) TokenReason {
	switch {
	case errors.Is(err, token.ErrExpired):
		return TokenExpired
	case errors.Is(err, token.ErrUnavailable):
		return TokenUnavailable
	case err == error(ErrTokenRevoked):
		return TokenRevoked
	case err == error(ErrTokenOthers), err == error(ErrTokenGuest):
		return TokenForeign
	}
	return TokenInvalid
}
