package token

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"

	"github.com/golang-jwt/jwt/v5"
)

// The algorithms of a token, and which keys they go with. A key is bound to
// its own: a token cannot choose to be checked by HMAC with a public key.
var (
	hmacAlgorithms = []string{"HS256", "HS384", "HS512"}
	algorithms     = append(slices.Clone(hmacAlgorithms), "RS256", "ES256", "EdDSA")
)

// A Key checks signatures: either a Secret or a PEM.
type Key struct {
	ID     string // the kid of its tokens; "" for none: then it is tried for tokens whose kid is no key's
	Name   string // what errors and warnings call it; "" is its ID
	Secret []byte // for HS256, HS384 and HS512
	PEM    []byte // a public key or certificate: RSA (RS256), ECDSA P-256 (ES256) or Ed25519 (EdDSA)
	Alg    string // the one of HS256, HS384 and HS512 that a Secret is for; "" is all three
}

// A key is a Key as the jwt library takes it.
type key struct {
	id   string
	algs []string
	with any // []byte, *rsa.PublicKey, *ecdsa.PublicKey, ed25519.PublicKey
}

// maxTried bounds the keys that one token is tried against. A token without a
// kid costs a verification for each of them.
const maxTried = 8

// A keySet finds keys. Only keys without an id, or for different algorithms, may be
// several (RFC 7517, section 4.5).
type keySet struct {
	all []key // in the order in which they were added
}

func (s *keySet) add(k key) error {
	for _, alg := range k.algs {
		if k.id != "" && len(s.named(nil, k.id, alg)) > 0 {
			return fmt.Errorf("two keys have the id %q and are for %s: give each its own", k.id, alg)
		}
	}
	s.all = append(s.all, k)
	return nil
}

// knows reports whether a key has the id, which is not empty.
func (s *keySet) knows(id string) bool {
	return slices.ContainsFunc(s.all, func(k key) bool { return k.id == id })
}

// named appends the key with an id, if it is for an algorithm.
func (s *keySet) named(found []jwt.VerificationKey, id, alg string) []jwt.VerificationKey {
	for _, k := range s.all {
		if k.id == id && slices.Contains(k.algs, alg) {
			found = append(found, k.with)
		}
	}
	return found
}

// fitting appends all keys that are for an algorithm, whatever their ids, until
// found has maxTried.
func (s *keySet) fitting(found []jwt.VerificationKey, alg string) []jwt.VerificationKey {
	for _, k := range s.all {
		if len(found) < maxTried && slices.Contains(k.algs, alg) {
			found = append(found, k.with)
		}
	}
	return found
}

// label is the key as errors and warnings name it.
func (k *Key) label() string {
	switch {
	case k.Name != "":
		return k.Name
	case k.ID != "":
		return fmt.Sprintf("the key %q", k.ID)
	}
	return "the key without an id"
}

// load judges a key. The warning is not empty for one that only insecure lets
// through.
func (k *Key) load(insecure bool) (loaded key, warning string, err error) {
	if err := checkName("its id", k.ID); err != nil {
		return key{}, "", fmt.Errorf("%s cannot be used: %w", k.label(), err)
	}
	switch {
	case k.PEM != nil && k.Secret != nil:
		return key{}, "", fmt.Errorf("%s is both a secret and a public key: give one of them", k.label())
	case k.PEM != nil:
		with, alg, err := parsePublic(k.PEM)
		if err == nil && k.Alg != "" && k.Alg != alg {
			err = fmt.Errorf("it is for %s, not for %s", alg, k.Alg)
		}
		if err != nil {
			return key{}, "", fmt.Errorf("%s cannot be used: %w", k.label(), err)
		}
		return key{k.ID, []string{alg}, with}, "", nil
	}
	return k.loadSecret(insecure)
}

func (k *Key) loadSecret(insecure bool) (loaded key, warning string, err error) {
	algs := hmacAlgorithms
	if k.Alg != "" {
		algs = []string{k.Alg}
	}
	switch {
	case !slices.Contains(hmacAlgorithms, algs[0]):
		return key{}, "", fmt.Errorf("%s is a secret, which %q is not for: write HS256, HS384 or HS512", k.label(), k.Alg)
	case len(k.Secret) == 0:
		return key{}, "", fmt.Errorf("%s is empty, so that anybody could make tokens: write at least %d random bytes, "+
			"as openssl rand -hex 32 prints", k.label(), MinSecret)
	case len(k.Secret) < MinSecret && !insecure:
		return key{}, "", fmt.Errorf("%s has %d bytes and can be guessed from any token: write at least %d random bytes, "+
			"as openssl rand -hex 32 prints, or set insecure to try it out", k.label(), len(k.Secret), MinSecret)
	case len(k.Secret) < MinSecret:
		warning = fmt.Sprintf("%s has %d bytes and can be guessed from any token: anybody can then be any user", k.label(), len(k.Secret))
	}
	return key{k.ID, algs, slices.Clone(k.Secret)}, warning, nil
}

// utf8BOM is what some editors write in front of a text.
const utf8BOM = "\ufeff"

// parsePublic reads a public key, or that of a certificate, in PEM.
func parsePublic(text []byte) (with any, alg string, err error) {
	block, _ := pem.Decode(bytes.TrimPrefix(text, []byte(utf8BOM)))
	if block == nil {
		return nil, "", errors.New("it is not PEM: a public key begins with -----BEGIN PUBLIC KEY-----")
	}
	switch block.Type {
	case "PUBLIC KEY":
		with, err = x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		with, err = x509.ParsePKCS1PublicKey(block.Bytes)
	case "CERTIFICATE":
		var c *x509.Certificate
		if c, err = x509.ParseCertificate(block.Bytes); err == nil {
			with = c.PublicKey
		}
	case "PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY":
		err = errors.New("it is a private key, which only who makes tokens should have: give the public one, as openssl pkey -pubout prints")
	default:
		err = fmt.Errorf("it is PEM of another kind, %.40q: give a PUBLIC KEY or a CERTIFICATE", block.Type)
	}
	if err != nil {
		return nil, "", err
	}
	alg, err = algorithmOf(with)
	return with, alg, err
}

// algorithmOf says which algorithm a public key is bound to. That a point is on
// its curve, crypto/x509 and jwkset have checked.
func algorithmOf(public any) (alg string, err error) {
	switch k := public.(type) {
	case *rsa.PublicKey:
		if bits := k.N.BitLen(); bits < 2048 || bits > 8192 || k.E < 3 {
			return "", fmt.Errorf("it is an RSA key of %d bits: 2048 to 8192 are taken", bits)
		}
		return "RS256", nil
	case *ecdsa.PublicKey:
		if k.Curve != elliptic.P256() {
			return "", errors.New("it is on another curve than P-256, the one of ES256")
		}
		return "ES256", nil
	case ed25519.PublicKey:
		return "EdDSA", nil
	}
	return "", errors.New("it is neither RSA, nor ECDSA on P-256, nor Ed25519")
}
