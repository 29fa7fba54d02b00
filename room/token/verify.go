package token

import (
	"errors"
	"slices"

	"github.com/golang-jwt/jwt/v5"
)

// Connection judges a connection token. done is called exactly once: before
// Connection returns, unless a key must be fetched; then from a goroutine of
// the verifier, which it must not hold up. The error is an *Error, or nil.
//
// A token without sub is that of the user "": whoever asks decides what may be
// anonymous.
func (v *Verifier) Connection(token string, done func(*Identity, error)) {
	v.verify(token, func(c *claims, err error) {
		if err != nil {
			done(nil, err)
			return
		}
		done(c.identity())
	})
}

// Subscription judges a subscription token, as Connection does.
func (v *Verifier) Subscription(token string, done func(*Subscription, error)) {
	v.verify(token, func(c *claims, err error) {
		if err != nil {
			done(nil, err)
			return
		}
		done(c.subscription())
	})
}

// verify calls done with the claims of a good token, now or later.
func (v *Verifier) verify(token string, done func(*claims, error)) {
	c, missing, err := v.parse(token)
	if !missing || v.jwks == nil {
		done(c, err)
		return
	}
	v.jwks.wait(func(unfetched error) {
		c, missing, err := v.parse(token)
		if missing && unfetched != nil {
			err = unfetched
		}
		done(c, err)
	})
}

// parse judges a token with the keys at hand; missing says that a fetch might
// change the answer.
func (v *Verifier) parse(token string) (c *claims, missing bool, err error) {
	if len(token) > MaxToken {
		return nil, false, invalid("it has %d bytes, more than %d", len(token), MaxToken)
	}
	c = &claims{}
	_, err = v.parser.ParseWithClaims(token, c, v.keyOf)
	if err == nil && !c.read {
		err = invalid("its claims are no object") // null, which decodes into anything
	}
	if err == nil {
		err = v.judge.Validate(c)
	}
	if err != nil {
		return nil, errors.Is(err, errNoKey), explain(err)
	}
	return c, false, nil
}

// errNoKey: no key has the token's kid, but a JWKS may have it by now.
var errNoKey = errors.New("no key")

// keyOf finds the keys for a token by its header: jwt's Keyfunc. Only public
// keys come out of a JWKS, so a secret's unknown kid causes no fetch.
func (v *Verifier) keyOf(t *jwt.Token) (any, error) {
	id, isText := t.Header["kid"].(string)
	if _, there := t.Header["kid"]; there && (!isText || id == "" || len(id) > MaxName) {
		return nil, invalid("its kid is no name of 1 to %d bytes", MaxName)
	}
	if _, there := t.Header["crit"]; there {
		return nil, invalid("it demands extensions (crit), of which none is known")
	}
	alg := t.Method.Alg()
	found, known := v.keys.find(id, alg)
	if !known && v.jwks != nil && id != "" && !slices.Contains(hmacAlgorithms, alg) {
		if found, known = v.jwks.keys().find(id, alg); !known {
			return nil, errors.Join(errNoKey, invalid("no key has its kid, %.64q", id))
		}
	}
	switch {
	case len(found) > 0:
		return jwt.VerificationKeySet{Keys: found}, nil
	case id == "":
		return nil, invalid("it names no key (kid), and no key without an id is for its algorithm, %s", alg)
	case known:
		return nil, invalid("the key that it names, %.64q, is not for its algorithm, %s", id, alg)
	}
	return nil, invalid("no key has its kid, %.64q", id)
}

// explain makes an *Error of what the jwt library says, which may quote the
// token. Expired is only what is right otherwise.
func explain(err error) error {
	var ours *Error
	if errors.As(err, &ours) {
		return ours
	}
	for _, e := range []struct {
		is     error
		reason string
	}{
		{jwt.ErrTokenMalformed, "it is not three parts of base64url with JSON objects in the first two"},
		{jwt.ErrTokenSignatureInvalid, "its signature is not that of the key, or its algorithm is not offered"},
		{jwt.ErrTokenUnverifiable, "its algorithm is not known"},
		{jwt.ErrTokenRequiredClaimMissing, "it has no issuer or no audience, and one is asked for"},
		{jwt.ErrTokenInvalidAudience, "it is for another audience (aud)"},
		{jwt.ErrTokenInvalidIssuer, "it is from another issuer (iss)"},
		{jwt.ErrTokenNotValidYet, "it is not valid yet (nbf)"},
	} {
		if errors.Is(err, e.is) {
			return invalid("%s", e.reason)
		}
	}
	if errors.Is(err, jwt.ErrTokenExpired) {
		return &Error{ErrExpired, "its time (exp) is over"}
	}
	return invalid("it cannot be checked")
}
