// Package guest makes guests: anonymous connections with a name. A client that connects without a token
// gives its name as the data of the connect command, {"guest":"NAME"}. The data of the reply are
// {"user":ID,"token":TOKEN}. With the token the client stays the same guest after a reload.
//
// A guest has the rights of an anonymous connection. Its name is only for others to see.
package guest

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"strings"
	"sync/atomic"
	"time"

	"webim/room/name"
	"webim/room/policy"
	"webim/room/token"
	"webim/room/wire"
)

// Guests signs and verifies the tokens of guests. It is safe for concurrent use.
type Guests struct{ key atomic.Pointer[key] }

// key is the secret in both uses.
type key struct {
	signer   *token.Signer
	verifier *token.Verifier
}

// keyID names the key in the header of a guest's token.
const keyID = "webim-guest"

// New returns the Guests with a secret of at least 32 bytes. Tokens of guests are valid only with the
// same secret, so it should be the same after a restart.
func New(secret []byte) (*Guests, error) {
	k := token.Key{ID: keyID, Secret: secret}
	v, err := token.New(token.Config{Keys: []token.Key{k}})
	if err != nil {
		return nil, err
	}
	s, err := token.NewSigner(k)
	if err != nil {
		return nil, err
	}
	g := &Guests{}
	g.key.Store(&key{s, v})
	return g, nil
}

// Replace makes g use the secret of next from now on: tokens of the old secret are no longer valid.
func (g *Guests) Replace(next *Guests) { g.key.Store(next.key.Load()) }

// Welcome makes a guest of a client. data is the data of the connect command, reply that of the connect
// reply. If the data have no guest's name, all results are nil. An error is a wire.ErrorCode.
func (g *Guests) Welcome(data []byte) (guest *token.Identity, reply []byte, err error) {
	var request struct {
		Guest *string `json:"guest"`
	}
	if len(data) == 0 || json.Unmarshal(data, &request) != nil || request.Guest == nil {
		return nil, nil, nil
	}
	person, err := name.Person(*request.Guest)
	if err != nil {
		return nil, nil, wire.Explain(wire.ErrBadRequest, "bad request: "+err.Error())
	}
	info, err := json.Marshal(map[string]string{"name": person})
	if err != nil {
		return nil, nil, wire.Internal(err)
	}
	guest = &token.Identity{User: policy.GuestPrefix + strings.ToLower(rand.Text()), Info: info, IssuedAt: time.Now()}
	text, err := g.key.Load().signer.Sign(token.Claims{User: guest.User, Info: info, Expires: time.Now().Add(policy.GuestLifetime).Unix()})
	if err != nil {
		return nil, nil, wire.Internal(err)
	}
	reply, err = json.Marshal(map[string]string{"user": guest.User, "token": text})
	if err != nil {
		return nil, nil, wire.Internal(err)
	}
	return guest, reply, nil
}

// Verify verifies a token that may be a guest's. ours reports whether it is; err is then nil or
// token.ErrExpired. A guest has no rights but those of guests, whatever else the token says: only who has stolen the secret can have
// written it. It does not block.
func (g *Guests) Verify(text string) (guest *token.Identity, ours bool, err error) {
	g.key.Load().verifier.Connection(text, func(got *token.Identity, failed error) { guest, err = got, failed }) // called at once: no key is fetched
	ours = err == nil && policy.IsGuest(guest.User) || errors.Is(err, token.ErrExpired)
	if guest == nil || !policy.IsGuest(guest.User) {
		return nil, ours, err
	}
	return &token.Identity{User: guest.User, Info: guest.Info, IssuedAt: guest.IssuedAt, Expires: guest.Expires, TokenExpires: guest.TokenExpires}, ours, err
}
