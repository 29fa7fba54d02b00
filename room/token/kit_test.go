package token

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	secret  = []byte("a secret of more than thirty-two bytes")
	secret2 = []byte("2nd secret of more than thirty-two bytes")

	// noon is the time in these tests: 2026-01-01 12:00 UTC.
	noon = time.Unix(1767268800, 0)

	rsaKey, _   = rsa.GenerateKey(rand.Reader, 2048)
	ecKey, _    = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	_, edKey, _ = ed25519.GenerateKey(rand.Reader)
)

func atNoon() time.Time { return noon }

func publicPEM(t testing.TB, k crypto.Signer) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(k.Public())
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

func privatePEM(t testing.TB, k crypto.Signer) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func open(t testing.TB, c Config) *Verifier {
	t.Helper()
	if c.Now == nil {
		c.Now = atNoon
	}
	v, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	return v
}

// allKeys returns a Config with a key of each kind.
func allKeys(t testing.TB) Config {
	t.Helper()
	return Config{Keys: []Key{
		{Secret: secret},
		{ID: "hmac", Secret: secret2, Alg: "HS512"},
		{ID: "rsa", PEM: publicPEM(t, rsaKey)},
		{ID: "ec", PEM: publicPEM(t, ecKey)},
		{ID: "ed", PEM: publicPEM(t, edKey)},
	}}
}

var b64 = base64.RawURLEncoding.EncodeToString

// forge makes a token of any header and claims, signed with HMAC-SHA256, without using a JWT
// library.
func forge(key []byte, header, claims string) string {
	text := b64([]byte(header)) + "." + b64([]byte(claims))
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text))
	return text + "." + b64(mac.Sum(nil))
}

const hs256 = `{"alg":"HS256","typ":"JWT"}`

// good makes a validly signed token with the claims.
func good(claims string) string { return forge(secret, hs256, claims) }

// connection verifies a token without a fetch: done must be called before Connection returns.
func connection(t testing.TB, v *Verifier, token string) (id *Identity, err error) {
	t.Helper()
	calls := 0
	v.Connection(token, func(i *Identity, e error) { id, err = i, e; calls++ })
	if calls != 1 {
		t.Fatalf("done was called %d times before Connection returned", calls)
	}
	checkError(t, token, id == nil || errors.Is(err, ErrExpired), err)
	return id, err
}

func subscription(t testing.TB, v *Verifier, token string) (s *Subscription, err error) {
	t.Helper()
	calls := 0
	v.Subscription(token, func(i *Subscription, e error) { s, err = i, e; calls++ })
	if calls != 1 {
		t.Fatalf("done was called %d times before Subscription returned", calls)
	}
	checkError(t, token, s == nil, err)
	return s, err
}

// checkError checks that there is either a result or an *Error, and that the error quotes no
// part of the token.
func checkError(t testing.TB, token string, none bool, err error) {
	t.Helper()
	var typed *Error
	if none != (err != nil) || err != nil && !errors.As(err, &typed) {
		t.Fatalf("no result: %v, error: %v", none, err)
	}
	if err == nil {
		return
	}
	for part := range strings.SplitSeq(token, ".") {
		if len(part) > 8 && strings.Contains(err.Error(), part) {
			t.Fatalf("the error quotes a part of the token: %v", err)
		}
	}
}
