package token

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"encoding/pem"
	"strings"
	"testing"
	"time"
)

// TestRoundTrip checks that a token that Sign makes with a key is valid for the matching
// verification key and for no other.
func TestRoundTrip(t *testing.T) {
	signers := map[string]Key{
		"HS256": {Secret: secret}, "HS384": {Secret: secret, Alg: "HS384"}, "HS512": {ID: "hmac", Secret: secret2, Alg: "HS512"},
		"RS256": {ID: "rsa", PEM: privatePEM(t, rsaKey)}, "ES256": {ID: "ec", PEM: privatePEM(t, ecKey)}, "EdDSA": {ID: "ed", PEM: privatePEM(t, edKey)},
	}
	v := open(t, allKeys(t))
	for alg, k := range signers {
		s, err := NewSigner(k)
		if err != nil {
			t.Fatalf("%s: %v", alg, err)
		}
		text, err := s.Sign(Claims{User: "u", Expires: noon.Unix() + 60, Info: json.RawMessage(`{"a":1}`), Roles: []string{"member@a*"}, Channels: []string{"a"}})
		if err != nil {
			t.Fatalf("%s: %v", alg, err)
		}
		id, err := connection(t, v, text)
		if err != nil {
			t.Errorf("%s: %v", alg, err)
		} else if id.User != "u" || string(id.Info) != `{"a":1}` || id.Channels[0].Name != "a" || id.Grants.Roles("ab") == nil || id.IssuedAt.IsZero() {
			t.Errorf("%s: %+v", alg, id)
		}
		for other := range signers {
			if k.ID == signers[other].ID || signers[other].ID == "" {
				continue // without a kid all keys are tried
			}
			as := &Signer{s.method, signers[other].ID, s.with} // its kid names another key
			text, err := as.Sign(Claims{User: "u"})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := connection(t, v, text); err == nil {
				t.Errorf("a token signed with %s is taken for one of %s", alg, other)
			}
		}
	}
}

func TestSignRefuses(t *testing.T) {
	s, err := NewSigner(Key{Secret: []byte("short: the verifier decides that")[:5]})
	if err != nil {
		t.Fatal(err)
	}
	for want, c := range map[string]Claims{
		"the info is not JSON":       {Info: json.RawMessage("{")},
		"a role is not valid":        {Roles: []string{"@a"}},
		"more than the 8192 allowed": {Info: json.RawMessage(`"` + strings.Repeat("x", MaxToken) + `"`)},
		"":                           {Channel: "news"},
		"the info is not JSON ":      {Info: json.RawMessage("")},
	} {
		if _, err := s.Sign(c); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), strings.TrimSpace(want)) {
			t.Errorf("%+v: %v, want %s", c, err, want)
		}
	}
	for want, k := range map[string]Key{
		"is empty, so that anybody": {}, "it is not PEM": {PEM: []byte("x")}, "not a readable private key": {PEM: publicPEM(t, ecKey)},
		"is for RS256, not for ES256": {PEM: privatePEM(t, rsaKey), Alg: "ES256"}, `"none" is not an HMAC algorithm`: {Secret: secret, Alg: "none"},
	} {
		if _, err := NewSigner(k); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// TestConfig checks the configurations that New refuses, and that the errors say how to mend
// them.
func TestConfig(t *testing.T) {
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	short := []byte("thirty-one bytes are one short!")
	many := make([]Key, maxKeys+1)
	for _, c := range []struct {
		config  Config
		want    string // "" means no error
		warning string
	}{
		{Config{}, "there is no key to check tokens with", ""},
		{Config{Insecure: true}, "there is no key to check tokens with", ""},
		{Config{Keys: []Key{{}}}, "the key without an id is empty, so that anybody could make tokens", ""},
		{Config{Keys: []Key{{Secret: []byte{}, Name: "token_secret"}}, Insecure: true}, "token_secret is empty, so that anybody could make tokens", ""},
		{Config{Keys: []Key{{Secret: short, ID: "a"}}}, `the key "a" has 31 bytes and can be guessed from any token: write at least 32`, ""},
		{Config{Keys: []Key{{Secret: short}}, Insecure: true}, "", "has 31 bytes and can be guessed"},
		{Config{Keys: []Key{{Secret: append(short, '.')}}}, "", ""},
		{Config{Keys: []Key{{Secret: secret, Alg: "none"}}}, `"none" is not an HMAC algorithm: write HS256`, ""},
		{Config{Keys: []Key{{Secret: secret, Alg: "RS256"}}}, `"RS256" is not an HMAC algorithm: write HS256`, ""},
		{Config{Keys: []Key{{Secret: secret, PEM: []byte("x")}}}, "is both a secret and a public key", ""},
		{Config{Keys: []Key{{ID: "a", PEM: publicPEM(t, ecKey)}, {ID: "a", PEM: publicPEM(t, ecKey)}}}, `two keys have the id "a"`, ""},
		{Config{Keys: []Key{{Secret: secret}, {PEM: publicPEM(t, ecKey)}}}, "", ""},
		{Config{Keys: []Key{{ID: strings.Repeat("a", 256), Secret: secret}}}, "its id has 256 bytes", ""},
		{Config{Keys: []Key{{ID: "a\n", Secret: secret}}}, "its id has control characters", ""},
		{Config{Keys: many}, "at most 256", ""},
		{Config{Keys: []Key{{PEM: []byte("secret")}}}, "it is not PEM", ""},
		{Config{Keys: []Key{{PEM: privatePEM(t, ecKey)}}}, "it is a private key", ""},
		{Config{Keys: []Key{{PEM: pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY"})}}}, "cannot be used", ""},
		{Config{Keys: []Key{{PEM: pem.EncodeToMemory(&pem.Block{Type: "PGP"})}}}, "PEM of another kind", ""},
		{Config{Keys: []Key{{PEM: publicPEM(t, small)}}}, "RSA key of 1024 bits", ""},
		{Config{Keys: []Key{{PEM: publicPEM(t, p384)}}}, "another curve than P-256", ""},
		{Config{Keys: []Key{{PEM: publicPEM(t, rsaKey), Alg: "HS256"}}}, "it is for RS256, not for HS256", ""},
		{Config{Keys: []Key{{Secret: secret}}, Leeway: -1}, "the leeway is -1ns", ""},
		{Config{Keys: []Key{{Secret: secret}}, Leeway: time.Hour}, "it must be 0s to 10m", ""},
		{Config{Keys: []Key{{Secret: secret}}, Audience: []string{""}}, "one of the audiences is empty", ""},
		{Config{JWKS: "https://id.example/keys"}, "", ""},
		{Config{JWKS: "https://id.example/keys", Retry: time.Millisecond}, "the JWKS times are too short", ""},
		{Config{JWKS: "https://id.example/keys", Refresh: -time.Hour}, "the JWKS times are too short", ""},
		{Config{JWKS: "http://127.0.0.1:1/keys"}, "", ""},
		{Config{JWKS: "http://[::1]:1/keys"}, "", ""},
		{Config{JWKS: "http://id.example/keys"}, "the JWKS address is http", ""},
		{Config{JWKS: "http://127.0.0.1.example/keys"}, "the JWKS address is http", ""},
		{Config{JWKS: "http://id.example/keys", Insecure: true}, "", "the JWKS address is http"},
		{Config{JWKS: "file:///etc/keys", Insecure: true}, "write https://host/path", ""},
		{Config{JWKS: "https://user:pass@id.example/"}, "without a user", ""},
		{Config{JWKS: "%"}, "write https://host/path", ""},
	} {
		v, err := New(c.config)
		switch {
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%v, want %s", err, c.want)
		case c.want != "":
		case err != nil:
			t.Errorf("%v, want none", err)
		case strings.Join(v.Warnings(), "") == "" && c.warning != "", !strings.Contains(strings.Join(v.Warnings(), ""), c.warning), c.warning == "" && v.Warnings() != nil:
			t.Errorf("the warnings are %q, want %q", v.Warnings(), c.warning)
		default:
			v.Close()
		}
	}
}
