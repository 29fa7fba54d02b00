package room

import (
	"errors"
	"net/netip"

	"webim/room/policy"
	"webim/room/token"
	"webim/room/wire"
)

// TakesTokens reports whether the hub verifies connection tokens. If not, none is valid.
func (h *Hub) TakesTokens() bool { return h.cfg.Tokens != nil || h.cfg.Guests != nil }

// Identify verifies a connection token as the connect command does: the token must be valid and not
// revoked, and neither its user nor the address banned. done may be called later, from any goroutine.
func (h *Hub) Identify(text string, addr netip.Addr, done func(*token.Identity, error)) {
	if !h.TakesTokens() {
		done(nil, token.ErrInvalid)
		return
	}
	h.VerifyToken(text, func(who *token.Identity, err error) {
		if err = h.CheckToken(who, err); err == nil && h.IsBanned(policy.Subject{Who: who, Addr: addr}, "") {
			err = wire.DisconnectBanned
		}
		done(who, err)
	})
}

// VerifyToken verifies a connection token, of a guest or of the application. done may be called later,
// from any goroutine.
func (h *Hub) VerifyToken(text string, done func(*token.Identity, error)) {
	if h.cfg.Guests != nil {
		if who, ours, err := h.cfg.Guests.Verify(text); ours {
			done(who, err)
			return
		}
	}
	if h.cfg.Tokens == nil {
		done(nil, token.ErrInvalid)
		return
	}
	h.cfg.Tokens.Connection(text, func(who *token.Identity, err error) {
		if err == nil && IsGuest(who.User) {
			who, err = nil, ErrTokenGuest
		}
		done(who, err)
	})
}

// CheckToken checks the result of VerifyToken for a revocation, logs an error, and returns it in the form
// for clients: nil, ErrTokenExpired, ErrInternal or DisconnectInvalidToken.
func (h *Hub) CheckToken(who *token.Identity, err error) error {
	if err == nil && h.Revoked(who) {
		err = ErrTokenRevoked
	}
	if err != nil {
		h.LogToken("connection", err)
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
