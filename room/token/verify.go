package token

import (
	"errors"
	"fmt"
	"slices"

	"github.com/golang-jwt/jwt/v5"
)

// Connection verifies a connection token and calls done exactly once: before Connection
// returns, or, if the keys must be fetched first, later on a goroutine of the verifier, which
// done must not block. The error is nil or an *Error. With ErrExpired, done gets the identity, too, because only the time of the
// token is over. With another error, the identity is nil.
//
// A token without sub is for the user "". The caller decides whether to accept anonymous users.
func (v *Verifier) Connection(token string, done func(*Identity, error)) {
	v.verify(token, func(c *claims, err error) {
		switch {
		case errors.Is(err, ErrExpired):
			who, _ := c.identity()
			done(who, err)
		case err != nil:
			done(nil, err)
		default:
			done(c.identity())
		}
	})
}

// Subscription verifies a subscription token; it calls done like Connection.
func (v *Verifier) Subscription(token string, done func(*Subscription, error)) {
	v.verify(token, func(c *claims, err error) {
		if err != nil {
			done(nil, err)
			return
		}
		done(c.subscription())
	})
}

// verify calls done with the claims of a token that is valid or has expired, at once or after a fetch of keys.
func (v *Verifier) verify(token string, done func(*claims, error)) {
	v = v.current()
	if v.parser == nil {
		done(nil, errNoKeys)
		return
	}
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

// parse verifies a token with the keys at hand; missing reports whether a fetch of the JWKS
// could change the result.
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
		// A JWKS yields only public keys, so an unknown secret causes no fetch.
		return nil, !slices.Contains(hmacAlgorithms, at.alg), explain(err)
	}
	if err == nil && !c.read {
		err = invalid("its claims are not an object") // for example null, which json.Unmarshal accepts for any type
	}
	if err == nil {
		err = v.judge.Validate(c)
	}
	if err != nil {
		if err = explain(err); !errors.Is(err, ErrExpired) {
			c = nil
		}
		return c, false, err
	}
	return c, false, nil
}

// errNoKey: no key has the token's kid, and none of the keys that were tried instead has signed
// it. A newer JWKS may have the key.
var errNoKey = errors.New("no key")

// keysAt holds the keys to try for one token.
type keysAt struct {
	alg     string
	keys    []jwt.VerificationKey
	err     error // set if there are no keys to try
	guessed error // if the kid did not choose the keys: the error if none of them has signed the token
}

// keysOf selects the keys for a token by its header. The kid is a hint (RFC 7515, section
// 4.1.4): if a key has it, only that key counts; otherwise every key for the token's algorithm
// is tried, at most maxTried.
func (v *Verifier) keysOf(t *jwt.Token) (at keysAt) {
	id, isText := t.Header["kid"].(string)
	if _, there := t.Header["kid"]; there && (!isText || id == "" || len(id) > MaxName) {
		return keysAt{err: invalid("its kid is not a string of 1 to %d bytes", MaxName)}
	}
	if _, there := t.Header["crit"]; there {
		return keysAt{err: invalid("it demands extensions (crit), and none is supported")}
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

// errNoKeys: the verifier has no keys.
var errNoKeys = &Error{Kind: ErrInvalid, Reason: "there is no key to check tokens with", See: seeKeys}

// seeKeys names the settings to look at when no key has signed a token.
const seeKeys = "token_secret_file, token_public_key, token_jwks"

// noKey returns the error for a token that no key has signed.
func noKey(format string, args ...any) error {
	return &Error{ErrInvalid, fmt.Sprintf(format, args...), seeKeys}
}

// explain turns an error of the jwt library into an *Error, because its text may quote the
// token. It returns ErrExpired only if nothing else is wrong with the token.
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
		{jwt.ErrTokenRequiredClaimMissing, "it has no issuer (iss) or no audience (aud), and the server requires one", "token_issuer, token_audience"},
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
