package room

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/netip"
	"strings"
	"time"

	"webim/room/name"
	"webim/room/policy"
	"webim/room/token"
	"webim/room/wire"
)

// Guests are anonymous connections that say their name: {"guest":"NAME"} as the
// data of connect. Each gets an id of its own, and a token in the reply's data
// with which it is the same guest after a reload: {"user":ID,"token":TOKEN}.
// Its rights are those of everybody; the name is for others to see.
type Guests struct {
	signer   *token.Signer
	verifier *token.Verifier
}

const guestKey = "webim-guest"

// NewGuests makes the judge of guests' tokens from a secret of 32 bytes or
// more, which should outlive the process if the guests are to.
func NewGuests(secret []byte) (*Guests, error) {
	k := token.Key{ID: guestKey, Secret: secret}
	v, err := token.New(token.Config{Keys: []token.Key{k}})
	if err != nil {
		return nil, err
	}
	s, err := token.NewSigner(k)
	return &Guests{s, v}, err
}

// Welcome makes a guest of a client that says a name in the data of connect. Nil without
// an error: it says none.
func (g *Guests) Welcome(data []byte) (who *token.Identity, reply []byte, err error) {
	var said struct {
		Guest *string `json:"guest"`
	}
	if len(data) == 0 || json.Unmarshal(data, &said) != nil || said.Guest == nil {
		return nil, nil, nil
	}
	person, err := name.Person(*said.Guest)
	if err != nil {
		return nil, nil, wire.Explain(wire.ErrBadRequest, "bad request: "+err.Error())
	}
	info, err := json.Marshal(map[string]string{"name": person})
	if err != nil {
		return nil, nil, wire.Internal(err)
	}
	who = &token.Identity{User: policy.GuestPrefix + strings.ToLower(rand.Text()), Info: info, IssuedAt: time.Now()}
	text, err := g.signer.Sign(token.Claims{User: who.User, Info: info, Expires: time.Now().Add(policy.GuestLifetime).Unix()})
	if err != nil {
		return nil, nil, wire.Internal(err)
	}
	reply, err = json.Marshal(map[string]string{"user": who.User, "token": text})
	if err != nil {
		return nil, nil, wire.Internal(err)
	}
	return who, reply, nil
}

// TakesTokens reports whether any token can be good.
func (h *Hub) TakesTokens() bool { return h.cfg.Tokens != nil || h.cfg.Guests != nil }

// Identify judges a connection token, as connecting with it would: it must be
// good, not revoked, and neither its user nor the address banned. done may be called
// later, from any goroutine.
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

// VerifyToken judges a connection token, a guest's or the application's.
func (h *Hub) VerifyToken(text string, done func(*token.Identity, error)) {
	if g := h.cfg.Guests; g != nil {
		ours := false
		g.verifier.Connection(text, func(who *token.Identity, err error) { // at once: no key is fetched
			if ours = err == nil && IsGuest(who.User) || errors.Is(err, token.ErrExpired); ours {
				done(who, err)
			}
		})
		if ours {
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

// CheckToken says what is wrong with a token that VerifyToken has judged, as the protocol
// has it: nil, ErrTokenExpired, ErrInternal or DisconnectInvalidToken. It logs that.
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
