package token

import (
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"
)

// FuzzVerify verifies arbitrary bytes as a token, and as the claims of a correctly signed
// token. Nothing panics, every error is an *Error, and the jwt library, used directly, accepts
// every accepted token.
func FuzzVerify(f *testing.F) {
	for _, s := range []string{
		good(`{"sub":"u","exp":1900000000}`), "..", `{"sub":"u","exp":1767268800.5,"aud":["a"]}`, `{"channel":"news","info":{"a":[1]}}`,
		`{"sub":"a","sub":"b"}`, `{"caps":[{"channels":["a*"],"match":"wildcard","allow":["pub"]}],"role":"m@a*"}`, `null`, `{"exp":null}`,
		`{"subs":{"a":{"b64info":"eA=="}}}`, `{"subs":{"a":{"b64info":"eyJhIjoKMn0="}}}`, `{"nbf":1e9,"iat":-0.0,"expire_at":0}`,
	} {
		f.Add(s)
	}
	v := open(f, allKeys(f))
	f.Fuzz(func(t *testing.T, input string) {
		for _, token := range []string{input, good(input)} {
			id, err := connection(t, v, token)
			if _, other := subscription(t, v, token); err == nil && other == nil {
				t.Fatal("a token is valid as both kinds")
			}
			if err != nil {
				continue
			}
			claims := jwt.MapClaims{}
			_, err = jwt.NewParser(jwt.WithValidMethods([]string{"HS256", "HS384", "HS512"}), jwt.WithTimeFunc(atNoon)).ParseWithClaims(token, claims,
				func(*jwt.Token) (any, error) { return secret, nil })
			if err != nil {
				t.Fatalf("the jwt library refuses it: %v", err)
			}
			if sub, _ := claims["sub"].(string); sub != id.User {
				t.Fatalf("the user is %q, but the jwt library reads %q", id.User, sub)
			}
			if strings.ContainsFunc(id.User, func(r rune) bool { return r < ' ' }) || len(id.User) > MaxName {
				t.Fatalf("the user is %q", id.User)
			}
		}
	})
}
