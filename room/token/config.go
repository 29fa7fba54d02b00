package token

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Limits that are not configurable.
const (
	// MaxToken is the maximum length of a token in bytes. A longer token is refused unread.
	MaxToken = 8 << 10
	// MaxName is the maximum length of a user, a room, a key's id or a role, in bytes.
	MaxName = 255
	// MinSecret is the minimum length of an HMAC secret in bytes, except with Config.Insecure.
	// An attacker with a single token can guess a shorter secret offline.
	MinSecret = 32

	maxKeys    = 256       // configured, and in one JWKS
	maxJWKS    = 256 << 10 // bytes of a JWKS
	maxWaiting = 1024      // verifications that wait for a fetch
)

// Config configures a Verifier. It needs Keys, JWKS, or both.
type Config struct {
	Keys     []Key         // two keys may share an ID only if they are for different algorithms; any number may have none
	JWKS     string        // https address of a JSON Web Key Set; "" means none. http is allowed for loopback, or with Insecure
	Issuer   string        // required value of iss; "" accepts any
	Audience []string      // aud must contain one of these; empty accepts any
	Leeway   time.Duration // tolerance for exp and nbf, because clocks differ; 0 to 10 minutes
	Insecure bool          // accept secrets under 32 bytes and JWKS over http, with a warning: for trials

	Refresh time.Duration // interval between fetches of JWKS; 0 means 10 minutes. Refresh, Retry and Timeout are at least 1 s
	Retry   time.Duration // minimum pause before a fetch that a failed fetch or an unknown key causes; 0 means 10 s
	Timeout time.Duration // limit for one fetch; 0 means 5 s

	Transport http.RoundTripper // used for fetching JWKS; nil means a copy of http.DefaultTransport
	Now       func() time.Time  // the clock for exp and nbf; nil means time.Now
	Report    func(error)       // called on the goroutine of the fetch after each failed fetch; must not call Close; may be nil
	Recovered func()            // called on the same goroutine after the first good fetch that follows a failed one; may be nil
}

// A Verifier verifies tokens. The zero Verifier has no key, so no token is valid, until Replace gives it some. Its methods may be
// called from any goroutine.
type Verifier struct {
	latest   atomic.Pointer[Verifier] // see Replace; nil: none
	keys     keySet
	jwks     *jwks       // nil if Config.JWKS is empty
	parser   *jwt.Parser // nil: there are no keys
	judge    *jwt.Validator
	warnings []string
}

// New returns a Verifier. If c is not usable, the error is a sentence without a final stop that
// says how to configure it. The caller may call Start, and must call Close.
func New(c Config) (*Verifier, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	if len(c.Keys) == 0 && c.JWKS == "" {
		return nil, errors.New("there is no key to check tokens with: give a secret, a public key or a JWKS address")
	}
	if c.Leeway < 0 || c.Leeway > 10*time.Minute {
		return nil, fmt.Errorf("the leeway is %v: it must be 0s to 10m", c.Leeway)
	}
	for _, aud := range c.Audience {
		if aud == "" {
			return nil, errors.New("one of the audiences is empty: write what aud must be, or leave it out")
		}
	}
	v := &Verifier{
		parser: jwt.NewParser(jwt.WithValidMethods(algorithms), jwt.WithoutClaimsValidation(), jwt.WithStrictDecoding()),
		judge: jwt.NewValidator(jwt.WithTimeFunc(c.Now), jwt.WithLeeway(c.Leeway),
			jwt.WithIssuer(c.Issuer), jwt.WithAudience(c.Audience...)),
	}
	if err := v.addKeys(c); err != nil {
		return nil, err
	}
	if c.JWKS == "" {
		return v, nil
	}
	if err := v.checkJWKS(c); err != nil {
		return nil, err
	}
	v.jwks = newJWKS(c)
	return v, nil
}

// addKeys validates and adds the configured keys.
func (v *Verifier) addKeys(c Config) error {
	if len(c.Keys) > maxKeys {
		return fmt.Errorf("there are %d keys: at most %d may be given", len(c.Keys), maxKeys)
	}
	for i := range c.Keys {
		k, warning, err := c.Keys[i].load(c.Insecure)
		if err != nil {
			return err
		}
		if warning != "" {
			v.warnings = append(v.warnings, warning)
		}
		if err := v.keys.add(k); err != nil {
			return err
		}
	}
	return nil
}

// checkJWKS validates the intervals and the address of the JWKS. Whoever can change the answer
// from that address can pose as any user.
func (v *Verifier) checkJWKS(c Config) error {
	for _, d := range []time.Duration{c.Refresh, c.Retry, c.Timeout} {
		if d != 0 && d < time.Second {
			return errors.New("the JWKS times are too short: write 1s or more")
		}
	}
	u, err := url.Parse(c.JWKS)
	if err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && u.Scheme != "http" {
		return errors.New("the JWKS address is not an address: write https://host/path, without a user")
	}
	if u.Scheme == "https" || loopback(u.Hostname()) {
		return nil
	}
	if !c.Insecure {
		return errors.New("the JWKS address is http, so that anybody on the way could replace the keys: write https")
	}
	v.warnings = append(v.warnings, "the JWKS address is http: anybody on the way can replace the keys and be any user")
	return nil
}

func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// Warnings returns sentences without final stops for the log at startup: one for each risk that
// only Insecure permits.
func (v *Verifier) Warnings() []string { return v.warnings }

// Start fetches the JWKS, if there is one, in the background, now and then every Refresh until
// Close, so that the keys are there when the first token arrives.
func (v *Verifier) Start() {
	if v.jwks != nil {
		v.jwks.start()
	}
}

// FetchJWKS fetches the JWKS once, to test it; it does not change the keys. The error is a
// sentence without a final stop. Without a JWKS, FetchJWKS returns nil.
func (v *Verifier) FetchJWKS(ctx context.Context) error {
	if v.jwks == nil {
		return nil
	}
	_, err := v.jwks.get(ctx)
	return err
}

// Replace makes v verify all tokens from now on as next does, with its keys and its rules. v then owns next, closes it
// at the next Replace or Close, and stops its own fetches. The caller has called next.Start if it wants to. Calls of
// Replace and Close must not overlap.
func (v *Verifier) Replace(next *Verifier) {
	if old := v.latest.Swap(next); old != nil {
		old.Close()
	} else if v.jwks != nil {
		v.jwks.close()
	}
}

// HasKeys reports whether there is any key, or an address of keys.
func (v *Verifier) HasKeys() bool { return v.current().parser != nil }

// current returns the verifier that verifies now.
func (v *Verifier) current() *Verifier {
	if next := v.latest.Load(); next != nil {
		return next
	}
	return v
}

// Close stops the fetches. Verifications that wait for a fetch fail with ErrUnavailable before
// Close returns. Later verifications use the keys at hand.
func (v *Verifier) Close() {
	if next := v.latest.Load(); next != nil {
		next.Close() // those of v have ended at Replace
		return
	}
	if v.jwks != nil {
		v.jwks.close()
	}
}
