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

// The algorithms of a token. A key is bound to its algorithms: a token cannot make the verifier
// use a public key as an HMAC secret.
var (
	hmacAlgorithms = []string{"HS256", "HS384", "HS512"}
	algorithms     = append(slices.Clone(hmacAlgorithms), "RS256", "ES256", "EdDSA")
)

// A Key verifies signatures (in a Signer: makes them). It has either a Secret or a PEM.
type Key struct {
	ID     string // the kid of its tokens; "" means none: then it is tried for tokens without a kid or with a kid that no key has
	Name   string // its name in errors and warnings; "" means the ID
	Secret []byte // for HS256, HS384 and HS512
	PEM    []byte // a public key or certificate: RSA (RS256), ECDSA P-256 (ES256) or Ed25519 (EdDSA)
	Alg    string // restricts a Secret to one of HS256, HS384 and HS512; "" means all three
}

// A key is a validated Key in the form that the jwt library expects.
type key struct {
	id   string
	algs []string
	with any // []byte, *rsa.PublicKey, *ecdsa.PublicKey, ed25519.PublicKey
}

// maxTried is the maximum number of keys that one token is tried against: each costs a
// verification.
const maxTried = 8

// A keySet holds keys. Several keys may have no id, and several may share an id if their
// algorithms differ (RFC 7517, section 4.5).
type keySet struct {
	all []key // in the order of the calls of add
}

func (s *keySet) add(k key) error {
	for _, alg := range k.algs {
		if k.id != "" && len(s.named(nil, k.id, alg)) > 0 {
			return fmt.Errorf("two keys have the id %q and are for %s: give each key its own id", k.id, alg)
		}
	}
	s.all = append(s.all, k)
	return nil
}

// knows reports whether a key has the id, which must not be empty.
func (s *keySet) knows(id string) bool {
	return slices.ContainsFunc(s.all, func(k key) bool { return k.id == id })
}

// named appends to found the key with the id, if it is for alg.
func (s *keySet) named(found []jwt.VerificationKey, id, alg string) []jwt.VerificationKey {
	for _, k := range s.all {
		if k.id == id && slices.Contains(k.algs, alg) {
			found = append(found, k.with)
		}
	}
	return found
}

// fitting appends to found the keys that are for alg, regardless of their ids, until found has
// maxTried.
func (s *keySet) fitting(found []jwt.VerificationKey, alg string) []jwt.VerificationKey {
	for _, k := range s.all {
		if len(found) < maxTried && slices.Contains(k.algs, alg) {
			found = append(found, k.with)
		}
	}
	return found
}

// label returns the name of the key for errors and warnings.
func (k *Key) label() string {
	switch {
	case k.Name != "":
		return k.Name
	case k.ID != "":
		return fmt.Sprintf("the key %q", k.ID)
	}
	return "the key without an id"
}

// load validates k. It returns a warning if only insecure makes the key acceptable.
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
		return key{}, "", fmt.Errorf("%s is a secret, but %q is not an HMAC algorithm: write HS256, HS384 or HS512", k.label(), k.Alg)
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

// utf8BOM is the byte order mark that some editors write at the start of a file.
const utf8BOM = "\ufeff"

// parsePublic parses a public key in PEM, or takes the public key of a certificate.
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
		err = errors.New("it is a private key, which belongs only where tokens are made: give the public key, as openssl pkey -pubout prints it")
	default:
		err = fmt.Errorf("it is PEM of another kind, %.40q: give a PUBLIC KEY or a CERTIFICATE", block.Type)
	}
	if err != nil {
		return nil, "", err
	}
	alg, err = algorithmOf(with)
	return with, alg, err
}

// algorithmOf returns the algorithm that a public key is bound to. crypto/x509 and jwkset have
// already checked that a point is on its curve.
func algorithmOf(public any) (alg string, err error) {
	switch k := public.(type) {
	case *rsa.PublicKey:
		if bits := k.N.BitLen(); bits < 2048 || bits > 8192 || k.E < 3 {
			return "", fmt.Errorf("it is an RSA key of %d bits: 2048 to 8192 bits are accepted", bits)
		}
		return "RS256", nil
	case *ecdsa.PublicKey:
		if k.Curve != elliptic.P256() {
			return "", errors.New("it is on another curve than P-256, the curve of ES256")
		}
		return "ES256", nil
	case ed25519.PublicKey:
		return "EdDSA", nil
	}
	return "", errors.New("it is neither RSA, nor ECDSA on P-256, nor Ed25519")
}
