package token

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Claims are the claims of a token to be signed. Sign omits empty fields.
type Claims struct {
	User     string          `json:"sub,omitempty"`
	Issuer   string          `json:"iss,omitempty"`
	Audience []string        `json:"aud,omitempty"`
	ID       string          `json:"jti,omitempty"`
	Expires  int64           `json:"exp,omitempty"` // seconds since 1970
	IssuedAt int64           `json:"iat,omitempty"` // seconds since 1970; 0 means now
	Info     json.RawMessage `json:"info,omitempty"`
	Roles    []string        `json:"roles,omitempty"`
	Channels []string        `json:"channels,omitempty"` // rooms that the server subscribes the user to
	Channel  string          `json:"channel,omitempty"`  // if set, the token is a subscription token
}

// A Signer makes tokens. It is immutable; its methods may be called from any goroutine.
type Signer struct {
	method jwt.SigningMethod
	id     string // kid; "" for none
	with   any
}

// NewSigner returns a Signer. A Secret signs with Alg, by default HS256; a short one is
// accepted here, because the verifier decides. A PEM must be a private key: RSA, ECDSA P-256 or
// Ed25519. The error is a sentence without a final stop.
func NewSigner(k Key) (*Signer, error) {
	if k.PEM == nil {
		loaded, _, err := k.loadSecret(true)
		if err != nil {
			return nil, err
		}
		return &Signer{jwt.GetSigningMethod(loaded.algs[0]), k.ID, loaded.with}, nil
	}
	with, alg, err := parsePrivate(k.PEM)
	if err == nil && k.Alg != "" && k.Alg != alg {
		err = fmt.Errorf("it is for %s, not for %s", alg, k.Alg)
	}
	if err != nil {
		return nil, fmt.Errorf("%s cannot be used: %w", k.label(), err)
	}
	return &Signer{jwt.GetSigningMethod(alg), k.ID, with}, nil
}

// parsePrivate parses a private key in PEM.
func parsePrivate(text []byte) (with crypto.Signer, alg string, err error) {
	block, _ := pem.Decode(bytes.TrimPrefix(text, []byte(utf8BOM)))
	if block == nil {
		return nil, "", errors.New("it is not PEM: a private key begins with -----BEGIN PRIVATE KEY-----")
	}
	var k any
	switch block.Type {
	case "RSA PRIVATE KEY":
		k, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		k, err = x509.ParseECPrivateKey(block.Bytes)
	default:
		k, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	}
	if err != nil {
		return nil, "", errors.New("it is not a readable private key: write it as openssl genpkey does, without a password")
	}
	switch k := k.(type) {
	case *rsa.PrivateKey:
		with = k
	case *ecdsa.PrivateKey:
		with = k
	case ed25519.PrivateKey:
		with = k
	default:
		return nil, "", errors.New("it is neither RSA, nor ECDSA on P-256, nor Ed25519")
	}
	alg, err = algorithmOf(with.Public())
	return with, alg, err
}

// Sign returns a signed token. The error is a sentence without a final stop.
func (s *Signer) Sign(c Claims) (string, error) {
	if c.IssuedAt == 0 {
		c.IssuedAt = time.Now().Unix()
	}
	if c.Info != nil && !json.Valid(c.Info) {
		return "", errors.New("the info is not JSON")
	}
	if _, err := newGrants(nil, c.Roles); err != nil {
		return "", errors.New("a role is not valid: write moderator, or moderator@team-*")
	}
	t := jwt.NewWithClaims(s.method, written{ours: c})
	if s.id != "" {
		t.Header["kid"] = s.id
	}
	text, err := t.SignedString(s.with)
	if err == nil && len(text) > MaxToken {
		err = fmt.Errorf("the token has %d bytes, more than the %d allowed: put less into it", len(text), MaxToken)
	}
	return text, err
}

// written wraps Claims as jwt.Claims, because the jwt library only marshals them.
type written struct {
	jwt.Claims // nil
	ours       Claims
}

// MarshalJSON encodes the wrapped claims.
func (w written) MarshalJSON() ([]byte, error) { return json.Marshal(w.ours) }
