package token

import (
	"errors"
	"fmt"
)

// The ways in which a token fails; use errors.Is to tell them apart.
var (
	// ErrExpired: the token is valid except that its time is over. The client should get a new
	// one (error 109).
	ErrExpired = errors.New("the token has expired")

	// ErrInvalid: the token will never be valid (close code 3500).
	ErrInvalid = errors.New("the token is invalid")

	// ErrUnavailable: the token cannot be verified now, because the keys of the JWKS address
	// are missing. The error is temporary: the client may try again.
	ErrUnavailable = errors.New("the token cannot be judged now")

	// ErrFull: Revoked has no room for another entry.
	ErrFull = errors.New("too many revocations are in force: raise the limit, or let them end sooner")
)

// An Error says which kind of failure a token has, and why.
type Error struct {
	Kind   error  // ErrExpired, ErrInvalid or ErrUnavailable
	Reason string // for the log, not for the client; contains no signature and no claims
	See    string // the settings to look at, by their names in the file; "" means none
}

// Error returns the kind and the reason, without a final stop.
func (e *Error) Error() string { return e.Kind.Error() + ": " + e.Reason }

// Unwrap returns the kind.
func (e *Error) Unwrap() error { return e.Kind }

func invalid(format string, args ...any) error {
	return &Error{Kind: ErrInvalid, Reason: fmt.Sprintf(format, args...)}
}

func unavailable(format string, args ...any) error {
	return &Error{Kind: ErrUnavailable, Reason: fmt.Sprintf(format, args...), See: "token_jwks"}
}
