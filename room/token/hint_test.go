package token

import (
	"crypto"
	"crypto/ed25519"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// TestKidIsAHint checks that a kid is a hint: if a key has it, only that key is tried; if no
// key has it, or the token has no kid, all keys for its algorithm are tried.
func TestKidIsAHint(t *testing.T) {
	pemOf := func(id string, k crypto.Signer) Key { return Key{ID: id, PEM: publicPEM(t, k)} }
	_, edKey2, _ := ed25519.GenerateKey(nil)
	hs := func(kid string, key []byte) string { return forge(key, `{"alg":"HS256"`+kid+`}`, "{}") }
	for what, c := range map[string]struct {
		keys  []Key
		token string
		good  bool
	}{
		"a PEM without an id, a token with a kid":    {[]Key{pemOf("", rsaKey)}, signedBy(t, "2026", rsaKey), true},
		"a secret without an id, a token with a kid": {[]Key{{Secret: secret}}, hs(`,"kid":"a"`, secret), true},
		"a PEM with an id, a token without":          {[]Key{pemOf("a", ecKey)}, signedBy(t, "", ecKey), true},
		"a secret with an id, a token without":       {[]Key{{ID: "a", Secret: secret}}, hs("", secret), true},
		"the second of two secrets":                  {[]Key{{ID: "a", Secret: secret2}, {ID: "b", Secret: secret}}, hs("", secret), true},
		"the second of two, by another kid":          {[]Key{pemOf("a", edKey2), pemOf("b", edKey)}, signedBy(t, "c", edKey), true},
		"a kid that another key has":                 {[]Key{pemOf("a", edKey2), pemOf("b", edKey)}, signedBy(t, "a", edKey), false},
		"a kid of a key for another algorithm":       {[]Key{pemOf("a", rsaKey), pemOf("b", edKey)}, signedBy(t, "a", edKey), false},
		"a key that is not there":                    {[]Key{pemOf("a", edKey2)}, signedBy(t, "", edKey), false},
		"a public key as a secret":                   {[]Key{pemOf("a", rsaKey)}, hs("", publicPEM(t, rsaKey)), false},
		"a secret that is for HS512":                 {[]Key{{ID: "a", Secret: secret, Alg: "HS512"}}, hs("", secret), false},
	} {
		_, err := connection(t, open(t, Config{Keys: c.keys}), c.token)
		if c.good != (err == nil) || err != nil && !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestKeysTriedAreBounded checks that a token without a kid is tried against at most maxTried
// keys.
func TestKeysTriedAreBounded(t *testing.T) {
	var keys []Key
	for i := range 2 * maxTried {
		keys = append(keys, Key{ID: fmt.Sprint(i), Secret: []byte(fmt.Sprintf("secret %d of more than thirty-two bytes", i))})
	}
	v := open(t, Config{Keys: keys})
	for i, k := range keys {
		_, err := connection(t, v, forge(k.Secret, hs256, "{}"))
		if good := i < maxTried; good != (err == nil) {
			t.Errorf("by key %d: %v", i, err)
		}
		if err != nil && !strings.Contains(err.Error(), fmt.Sprintf("none of the %d keys tried", maxTried)) {
			t.Errorf("by key %d: %v", i, err)
		}
		if _, err := connection(t, v, forge(k.Secret, fmt.Sprintf(`{"alg":"HS256","kid":"%d"}`, i), "{}")); err != nil {
			t.Errorf("by the kid of key %d: %v", i, err)
		}
	}
}

// TestClaimOfAnotherType checks that the error names the claim, its type and the required type.
func TestClaimOfAnotherType(t *testing.T) {
	v := open(t, Config{Keys: []Key{{Secret: secret}}})
	for claims, want := range map[string]string{
		`{"sub":42}`:             "its claim sub is a number: sub must be a string",
		`{"sub":true}`:           "its claim sub is a boolean: sub must be a string",
		`{"sub":{"id":1}}`:       "its claim sub is an object: sub must be a string",
		`{"jti":[1]}`:            "its claim jti is a list: jti must be a string",
		`{"exp":"1767268860"}`:   "its claim exp is a string: exp must be a number of seconds",
		`{"exp":null}`:           "its claim exp is null: exp must be a number of seconds",
		`{"aud":1}`:              "its claim aud is a number: aud must be a string or a list of strings",
		`{"channels":"a"}`:       "its claim channels is a string: channels must be a list of strings",
		`{"caps":{"allow":"*"}}`: "its claim caps is an object: caps must be a list of objects",
		`{"subs":["a"]}`:         "its claim subs is a list: subs must be an object",
	} {
		if _, err := connection(t, v, good(claims)); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", claims, err, want)
		}
	}
}

// TestEmptyMapsOfPHP checks that [] is accepted as an empty map: PHP encodes it so.
func TestEmptyMapsOfPHP(t *testing.T) {
	v := open(t, Config{Keys: []Key{{Secret: secret}}})
	for _, claims := range []string{`{"subs":[]}`, `{"subs":{"news":[]}}`, `{"subs":{"news":{"override":[]}}}`, `{"override":[]}`, `{"info":[],"meta":[]}`, `{"caps":[],"channels":[],"role":[]}`} {
		if _, err := connection(t, v, good(claims)); err != nil {
			t.Errorf("%s: %v", claims, err)
		}
	}
}
