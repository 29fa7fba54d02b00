package token

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Limits that nobody needs to set.
const (
	// MaxToken is the most bytes of a token; a longer one is not looked at.
	MaxToken = 8 << 10
	// MaxName is the most bytes of a user, a room, a key's id or a role.
	MaxName = 255
	// MinSecret is the least bytes of an HMAC secret, but for Config.Insecure:
	// shorter ones are guessed from a single token, offline.
	MinSecret = 32

	maxKeys    = 256       // configured, and of one JWKS
	maxJWKS    = 256 << 10 // bytes
	maxWaiting = 1024      // verifications that wait for a fetch
)

// Config says which tokens are good. Keys or JWKS is needed.
type Config struct {
	Keys     []Key         // each with an ID of its own; one HMAC secret and any public keys may have none
	JWKS     string        // https address of a JSON Web Key Set; "" for none. http is for loopback, or Insecure
	Issuer   string        // that iss must be; "" asks for none
	Audience []string      // of which aud must have one; empty asks for none
	Leeway   time.Duration // that exp and nbf may be off, for clocks that differ; 0 to 10 minutes
	Insecure bool          // take secrets under 32 bytes and JWKS over http, with a warning: for trying out

	Refresh time.Duration // between two fetches of JWKS; 0 is 10 minutes; this and the next two are at least 1 s
	Retry   time.Duration // at least, from one fetch of JWKS to the next that a token or a failure causes; 0 is 10 s
	Timeout time.Duration // of one fetch; 0 is 5 s

	Transport http.RoundTripper // fetches JWKS; nil is one like http.DefaultTransport
	Now       func() time.Time  // what time it is, for exp and nbf; nil is time.Now
	Report    func(error)       // told of each failed fetch, on a goroutine of its own; nil: nobody
	Recovered func()            // the same when a fetch brings keys after one that failed
}

// A Verifier judges tokens. Its methods may be called from any goroutine.
type Verifier struct {
	keys     keySet
	jwks     *jwks // nil: none
	parser   *jwt.Parser
	judge    *jwt.Validator
	warnings []string
}

// New makes a verifier. The error is a sentence, without its stop, that says
// what to configure instead. Start may follow, Close must.
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

// addKeys judges and takes the configured keys.
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

// checkJWKS judges the times and the address of the JWKS: who can change what
// it answers can be any user.
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

// Warnings are sentences, without stops, for the log at start: what only
// Insecure lets through.
func (v *Verifier) Warnings() []string { return v.warnings }

// Start fetches the JWKS, if there is one, in the background, so that the keys
// are there when the first token comes, and again every Refresh until Close.
func (v *Verifier) Start() {
	if v.jwks != nil {
		v.jwks.start()
	}
}

// FetchJWKS fetches the JWKS once and says what is wrong with it, in a sentence without
// a stop. It changes no keys. Without a JWKS it returns nil.
func (v *Verifier) FetchJWKS(ctx context.Context) error {
	if v.jwks == nil {
		return nil
	}
	_, err := v.jwks.get(ctx)
	return err
}

// Close ends the fetches. Who waits for one gets ErrUnavailable, and has got it
// when Close returns. Verifications go on with the keys at hand.
func (v *Verifier) Close() {
	if v.jwks != nil {
		v.jwks.close()
	}
}
