package token

import (
	"errors"
	"fmt"
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
	var at keysAt
	_, err = v.parser.ParseWithClaims(token, c, func(t *jwt.Token) (any, error) {
		at = v.keysOf(t)
		return jwt.VerificationKeySet{Keys: at.keys}, at.err
	})
	if errors.Is(err, jwt.ErrTokenSignatureInvalid) && at.guessed != nil {
		err = at.guessed
	}
	if errors.Is(err, errNoKey) {
		// Only public keys come out of a JWKS, so an unknown secret causes no fetch.
		return nil, !slices.Contains(hmacAlgorithms, at.alg), explain(err)
	}
	if err == nil && !c.read {
		err = invalid("its claims are no object") // null, which decodes into anything
	}
	if err == nil {
		err = v.judge.Validate(c)
	}
	if err != nil {
		return nil, false, explain(err)
	}
	return c, false, nil
}

// errNoKey: no key has the token's kid, and those that were tried instead have
// not signed it; a JWKS may have the right one by now.
var errNoKey = errors.New("no key")

// keysAt are the keys that a token is tried against.
type keysAt struct {
	alg     string
	keys    []jwt.VerificationKey
	err     error // there are none
	guessed error // what it means that none of them has signed it, if its kid did not choose them
}

// keysOf finds the keys for a token by its header. The kid is a hint (RFC 7515,
// section 4.1.4): if a key has it, that key decides; if none has, all keys whose
// algorithm is the token's are tried, at most maxTried.
func (v *Verifier) keysOf(t *jwt.Token) (at keysAt) {
	id, isText := t.Header["kid"].(string)
	if _, there := t.Header["kid"]; there && (!isText || id == "" || len(id) > MaxName) {
		return keysAt{err: invalid("its kid is no name of 1 to %d bytes", MaxName)}
	}
	if _, there := t.Header["crit"]; there {
		return keysAt{err: invalid("it demands extensions (crit), of which none is known")}
	}
	at.alg = t.Method.Alg()
	sets := []*keySet{&v.keys}
	if v.jwks != nil {
		sets = append(sets, v.jwks.keys())
	}
	for _, s := range sets {
		if id == "" || !s.knows(id) {
			continue
		}
		if at.keys = s.named(nil, id, at.alg); len(at.keys) == 0 {
			at.err = noKey("the key that it names, %.64q, is not for its algorithm, %s", id, at.alg)
		}
		return at
	}
	for _, s := range sets {
		at.keys = s.fitting(at.keys, at.alg)
	}
	why := "it names no key (kid), and "
	if id != "" {
		why = fmt.Sprintf("no key has its kid, %.64q, and ", id)
	}
	switch n := len(at.keys); {
	case n == 0:
		at.err = errors.Join(errNoKey, noKey("%sno key is for its algorithm, %s", why, at.alg))
	case n == 1 && id == "":
		at.guessed = errors.Join(errNoKey, noKey("its signature is not that of the key for its algorithm, %s", at.alg))
	default:
		at.guessed = errors.Join(errNoKey, noKey("%sits signature is that of none of the %d keys tried for its algorithm, %s", why, n, at.alg))
	}
	return at
}

// seeKeys are the settings to look at when a token's key is not ours.
const seeKeys = "token_secret_file, token_public_key, token_jwks"

// noKey is the error of a token that none of our keys has signed.
func noKey(format string, args ...any) error {
	return &Error{ErrInvalid, fmt.Sprintf(format, args...), seeKeys}
}

// explain makes an *Error of what the jwt library says, which may quote the
// token. Expired is only what is right otherwise.
func explain(err error) error {
	var ours *Error
	if errors.As(err, &ours) {
		return ours
	}
	for _, e := range []struct {
		is          error
		reason, see string
	}{
		{jwt.ErrTokenMalformed, "it is not three parts of base64url with JSON objects in the first two", ""},
		{jwt.ErrTokenSignatureInvalid, "its signature is not that of the key, or its algorithm is not offered", seeKeys},
		{jwt.ErrTokenUnverifiable, "its algorithm is not known", seeKeys},
		{jwt.ErrTokenRequiredClaimMissing, "it has no issuer or no audience, and one is asked for", "token_issuer, token_audience"},
		{jwt.ErrTokenInvalidAudience, "it is for another audience (aud)", "token_audience"},
		{jwt.ErrTokenInvalidIssuer, "it is from another issuer (iss)", "token_issuer"},
		{jwt.ErrTokenNotValidYet, "it is not valid yet (nbf)", "token_leeway, and the clocks"},
	} {
		if errors.Is(err, e.is) {
			return &Error{ErrInvalid, e.reason, e.see}
		}
	}
	if errors.Is(err, jwt.ErrTokenExpired) {
		return &Error{ErrExpired, "its time (exp) is over", "token_leeway, and the clocks"}
	}
	return invalid("it cannot be checked")
}
