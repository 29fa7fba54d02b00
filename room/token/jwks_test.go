package token

import (
	"bytes"
	"compress/gzip"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// jwkOf encodes a public key as providers publish it.
func jwkOf(id string, k crypto.Signer, more ...string) string {
	m := map[string]string{"kid": id}
	switch p := k.Public().(type) {
	case *rsa.PublicKey:
		m["kty"], m["n"], m["e"] = "RSA", b64(p.N.Bytes()), b64(big.NewInt(int64(p.E)).Bytes())
	case *ecdsa.PublicKey:
		point, _ := p.Bytes()
		m["kty"], m["crv"], m["x"], m["y"] = "EC", "P-256", b64(point[1:33]), b64(point[33:])
	case ed25519.PublicKey:
		m["kty"], m["crv"], m["x"] = "OKP", "Ed25519", b64(p)
	}
	for i := 0; i < len(more); i += 2 {
		m[more[i]] = more[i+1]
	}
	b, _ := json.Marshal(m)
	return string(b)
}

func setOf(keys ...string) string { return `{"keys":[` + strings.Join(keys, ",") + `]}` }

// signedBy makes a token for a user.
func signedBy(t testing.TB, id string, k crypto.Signer) string {
	t.Helper()
	s, err := NewSigner(Key{ID: id, PEM: privatePEM(t, k)})
	if err != nil {
		t.Fatal(err)
	}
	text, err := s.Sign(Claims{User: "u"})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// A provider serves the answer that a test sets.
type provider struct {
	*httptest.Server
	asked  atomic.Int32
	answer atomic.Value // func(http.ResponseWriter)
}

func newProvider(t *testing.T) *provider {
	p := &provider{}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		p.asked.Add(1)
		p.answer.Load().(func(http.ResponseWriter))(w)
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *provider) says(text string) {
	p.answer.Store(func(w http.ResponseWriter) { _, _ = io.WriteString(w, text) })
}

// ask verifies a token and waits for the result.
func ask(v *Verifier, token string) error {
	answer := make(chan error, 1)
	v.Connection(token, func(_ *Identity, err error) { answer <- err })
	return <-answer
}

// forget removes the time of the last fetch, so that the next one is allowed at once.
func (j *jwks) forget() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.last = time.Time{}
}

// TestJWKS, over real sockets, checks that keys are fetched, replaced, and kept when the
// provider fails.
func TestJWKS(t *testing.T) {
	p := newProvider(t)
	var failures atomic.Int32
	v := open(t, Config{JWKS: p.URL, Retry: time.Hour, Timeout: time.Second, Now: time.Now, Keys: []Key{{Secret: secret}}, Report: func(error) { failures.Add(1) }})
	p.says(setOf(jwkOf("one", rsaKey, "alg", "RS256", "use", "sig"), jwkOf("ed", edKey)))

	step := func(what, token string, want error, asked int32) {
		t.Helper()
		before := p.asked.Load()
		v.jwks.forget()
		if err := ask(v, token); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", what, err, want)
		}
		if n := p.asked.Load() - before; n != asked {
			t.Errorf("%s: the provider was asked %d times, want %d", what, n, asked)
		}
	}
	one, two := signedBy(t, "one", rsaKey), signedBy(t, "two", ecKey)
	step("first token", one, nil, 1)
	step("known key", signedBy(t, "ed", edKey), nil, 0)
	step("known kid, other algorithm", signedBy(t, "one", edKey), ErrInvalid, 0)
	step("secret by kid", forge(secret2, `{"alg":"HS256","kid":"two"}`, "{}"), ErrInvalid, 0)
	step("the configured secret", good("{}"), nil, 0)
	step("no kid", signedBy(t, "", edKey), nil, 0)
	step("no kid, no key of its algorithm", signedBy(t, "", ecKey), ErrInvalid, 1)
	step("unknown kid, known key", signedBy(t, "new", edKey), nil, 0)
	step("unknown kid", two, ErrInvalid, 1)

	p.says(setOf(jwkOf("two", ecKey)))
	step("after the rotation", two, nil, 1)
	step("the key that is gone", one, ErrInvalid, 1)

	if n := failures.Load(); n != 0 {
		t.Errorf("%d failures are reported", n)
	}
	for what, answer := range map[string]func(http.ResponseWriter){
		"status 500": func(w http.ResponseWriter) { w.WriteHeader(500) },
		"redirect":   func(w http.ResponseWriter) { w.Header().Set("Location", p.URL+"/x"); w.WriteHeader(302) },
		"no JSON":    func(w http.ResponseWriter) { _, _ = io.WriteString(w, "<html>") },
		"no keys":    func(w http.ResponseWriter) { _, _ = io.WriteString(w, "{}") },
		"too large": func(w http.ResponseWriter) {
			_, _ = io.WriteString(w, setOf(jwkOf("one", rsaKey))+strings.Repeat(" ", maxJWKS))
		},
		"too many": func(w http.ResponseWriter) {
			_, _ = io.WriteString(w, setOf(strings.Split(strings.Repeat("{} ", 256)+"{}", " ")...))
		},
		"one twice": func(w http.ResponseWriter) {
			_, _ = io.WriteString(w, setOf(jwkOf("one", rsaKey), jwkOf("one", rsaKey)))
		},
		"bomb": func(w http.ResponseWriter) {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			_, _ = io.WriteString(z, setOf(jwkOf("one", rsaKey))+strings.Repeat(" ", 64<<20))
			_ = z.Close()
		},
		"in drops": func(w http.ResponseWriter) {
			for out := http.NewResponseController(w); ; {
				if _, err := io.WriteString(w, " "); err != nil || out.Flush() != nil {
					return
				}
				time.Sleep(10 * time.Millisecond) // until the client gives up
			}
		},
		"cut":            func(w http.ResponseWriter) { w.Header().Set("Content-Length", "99"); _, _ = io.WriteString(w, "{") },
		"endless header": func(w http.ResponseWriter) { w.Header().Set("X", strings.Repeat("x", 1<<20)) },
	} {
		p.answer.Store(answer)
		before := failures.Load()
		step(what+": unknown kid", one, ErrUnavailable, 1)
		step(what+": known kid", two, nil, 0)
		if failures.Load() == before {
			t.Errorf("%s is not reported", what)
		}
	}
	p.CloseClientConnections()
	p.Close()
	step("down: unknown kid", one, ErrUnavailable, 0)
	step("down: known kid", two, nil, 0)
	v.Close()
	step("closed: unknown kid", one, ErrUnavailable, 0)
	step("closed: known kid", two, nil, 0)
}

// TestJWKSOneIDForTwoAlgorithms checks that keys for different algorithms may share an id, and
// that each verifies its own tokens.
func TestJWKSOneIDForTwoAlgorithms(t *testing.T) {
	p := newProvider(t)
	p.says(setOf(jwkOf("one", rsaKey), jwkOf("one", ecKey), jwkOf("one", rsaKey, "use", "enc")))
	v := open(t, Config{JWKS: p.URL, Now: time.Now})
	for name, k := range map[string]crypto.Signer{"RSA": rsaKey, "ECDSA": ecKey} {
		if err := ask(v, signedBy(t, "one", k)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := ask(v, signedBy(t, "one", edKey)); !errors.Is(err, ErrInvalid) {
		t.Errorf("an algorithm that no key with the id is for: %v", err)
	}
}

// TestJWKSLeavesOut checks that keys that cannot verify tokens are left out, and the others are
// kept.
func TestJWKSLeavesOut(t *testing.T) {
	for what, jwk := range map[string]string{
		"secret":        `{"kty":"oct","kid":"bad","k":"` + b64(secret) + `"}`,
		"secret HS256":  `{"kty":"oct","kid":"bad","alg":"HS256","k":""}`,
		"encryption":    jwkOf("bad", rsaKey, "use", "enc"),
		"other alg":     jwkOf("bad", rsaKey, "alg", "RS512"),
		"alg of secret": jwkOf("bad", rsaKey, "alg", "HS256"),
		"other curve":   jwkOf("bad", ecKey, "crv", "P-384"),
		"off the curve": jwkOf("bad", ecKey, "x", b64(bytes.Repeat([]byte{1}, 32))),
		"small RSA":     jwkOf("bad", rsaKey, "n", b64([]byte{1, 2, 3})),
		"half":          `{"kty":"RSA","kid":"bad"}`,
		"kid a number":  `{"kty":"RSA","kid":1}`,
		"unknown":       `{"kty":"new","kid":"bad"}`,
		"null":          `null`,
		"text":          `"x"`,
	} {
		set, err := parseJWKS([]byte(setOf(jwk, jwkOf("fine", edKey, "x5u", "https://203.0.113.1/"))))
		if err != nil || len(set.all) != 1 || !set.knows("fine") {
			t.Errorf("%s: %v, %v", what, set, err)
		}
	}
}

// A transport answers requests without sockets, so that tests can run in synctest bubbles.
type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(q *http.Request) (*http.Response, error) { return f(q) }

func answer(text string) (*http.Response, error) {
	return &http.Response{StatusCode: 200, Body: io.NopCloser(bytes.NewBufferString(text))}, nil
}

// TestJWKSInTime checks when the verifier fetches the JWKS and when it does not.
func TestJWKSInTime(t *testing.T) {
	known, unknown := signedBy(t, "one", edKey), signedBy(t, "two", ecKey)
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int32
		var fails atomic.Bool
		v := open(t, Config{JWKS: "https://id.example/", Now: time.Now, Transport: transport(func(*http.Request) (*http.Response, error) {
			if asked.Add(1); fails.Load() {
				return nil, errors.New("down")
			}
			return answer(setOf(jwkOf("one", edKey)))
		})})
		after := func(d time.Duration, want int32) {
			t.Helper()
			time.Sleep(d) // on the bubble's clock
			synctest.Wait()
			if n := asked.Load(); n != want {
				t.Fatalf("the provider was asked %d times, want %d", n, want)
			}
		}
		v.Start()
		after(0, 1)
		for range 1000 { // a flood of unknown kids causes no fetch
			if err := ask(v, unknown); !errors.Is(err, ErrUnavailable) {
				t.Fatal(err)
			}
		}
		after(9*time.Second, 1)
		after(time.Second, 1)
		if err := ask(v, unknown); !errors.Is(err, ErrInvalid) {
			t.Fatal(err)
		}
		after(10*time.Minute-time.Second, 2)
		after(time.Second, 3)
		fails.Store(true)
		after(10*time.Minute, 4) // and then every ten seconds, because fetches fail
		after(30*time.Second, 7)
		if err := ask(v, known); err != nil {
			t.Fatal(err)
		}
		fails.Store(false)
		after(10*time.Second, 8)
		after(9*time.Minute, 8)
		v.Close()
		after(time.Hour, 8)
	})
}

// TestJWKSIsSlow checks a slow provider: callers do not block, each gets one result, the fetch
// ends, and the number of waiting verifications is bounded.
func TestJWKSIsSlow(t *testing.T) {
	token := signedBy(t, "one", edKey)
	for _, end := range []string{"answer", "timeout", "close"} {
		t.Run(end, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var asked atomic.Int32
				let := make(chan struct{})
				v := open(t, Config{JWKS: "https://id.example/", Now: time.Now, Transport: transport(func(q *http.Request) (*http.Response, error) {
					asked.Add(1)
					select {
					case <-let:
						return answer(setOf(jwkOf("one", edKey)))
					case <-q.Context().Done():
						return nil, q.Context().Err()
					}
				})})
				got := map[string]int{}
				count := func(_ *Identity, err error) { got[fmt.Sprint(err)]++ }
				for range maxWaiting {
					v.Connection(token, count)
				}
				synctest.Wait()
				if n := asked.Load(); n != 1 || len(got) != 0 {
					t.Fatalf("asked %d times, answers %v", n, got)
				}
				if err := ask(v, token); !errors.Is(err, ErrUnavailable) {
					t.Fatalf("one more than may wait: %v", err)
				}
				want := "the token cannot be judged now: the JWKS could not be fetched"
				switch end {
				case "answer":
					close(let)
					want = "<nil>"
				case "timeout":
					time.Sleep(5 * time.Second)
				case "close":
					v.Close()
				}
				synctest.Wait()
				if len(got) != 1 || got[want] != maxWaiting {
					t.Errorf("answers %v, want %d times %s", got, maxWaiting, want)
				}
				v.Close()
			})
		})
	}
}
