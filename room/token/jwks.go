package token

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/MicahParks/jwkset"
)

// jwks holds the keys that one fixed address publishes. Each fetch runs on a goroutine of its
// own: one at start, then one every refresh. A token with an unknown kid, or without
// one, causes an earlier fetch if no key at hand has signed it, but never within retry of the last
// one. A failed fetch leaves the old keys in place.
type jwks struct {
	url                     string
	refresh, retry, timeout time.Duration
	client                  *http.Client
	report                  func(error)
	recovered               func()

	set atomic.Pointer[keySet] // never nil

	ctx    context.Context // cancelled by close
	cancel context.CancelFunc
	ends   sync.WaitGroup // counts the goroutine of the running fetch

	mu       sync.Mutex
	timer    *time.Timer // starts the next fetch; nil before the first
	fetching bool
	failed   bool // the last fetch failed
	closed   bool
	last     time.Time     // the end of the last fetch
	waiting  []func(error) // called when the running fetch ends
}

func newJWKS(c Config) *jwks {
	transport := c.Transport
	if transport == nil {
		own := http.DefaultTransport.(*http.Transport).Clone() // a copy, so that close does not close idle connections of other code
		own.MaxResponseHeaderBytes = 64 << 10
		transport = own
	}
	report := c.Report
	if report == nil {
		report = func(error) {}
	}
	recovered := c.Recovered
	if recovered == nil {
		recovered = func() {}
	}
	j := &jwks{
		url: c.JWKS, report: report, recovered: recovered,
		refresh: cmp.Or(c.Refresh, 10*time.Minute), retry: cmp.Or(c.Retry, 10*time.Second), timeout: cmp.Or(c.Timeout, 5*time.Second),
		client: &http.Client{
			Transport: transport,
			CheckRedirect: func(*http.Request, []*http.Request) error {
				return errors.New("it redirects, but only the configured address is trusted")
			},
		},
	}
	j.ctx, j.cancel = context.WithCancel(context.Background())
	j.set.Store(&keySet{})
	return j
}

// keys returns the keys of the last successful fetch. The set is never changed.
func (j *jwks) keys() *keySet { return j.set.Load() }

// start begins a fetch unless one is running.
func (j *jwks) start() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.fetchLocked()
}

// wait begins a fetch unless one is running, and calls done from the goroutine of the fetch
// when it ends, with nil if it succeeded. If the last fetch is less than retry ago, or too many
// calls wait already, or j is closed, wait calls done at once with an ErrUnavailable.
func (j *jwks) wait(done func(error)) {
	if err := j.enqueue(done); err != nil {
		done(err)
	}
}

func (j *jwks) enqueue(done func(error)) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case j.closed:
		return unavailable("the verifier is closed")
	case len(j.waiting) >= maxWaiting:
		return unavailable("%d verifications wait for the JWKS already", maxWaiting)
	case !j.fetching && !j.last.IsZero() && time.Since(j.last) < j.retry:
		return unavailable("no known key has signed it, and the JWKS was fetched less than %v ago", j.retry)
	}
	j.waiting = append(j.waiting, done)
	j.fetchLocked()
	return nil
}

// fetchLocked begins a fetch unless one is running. The caller holds mu.
func (j *jwks) fetchLocked() {
	if j.fetching || j.closed {
		return
	}
	j.fetching = true
	j.ends.Go(j.fetch)
}

// fetch gets the keys, schedules the next fetch, and calls the functions in waiting.
func (j *jwks) fetch() {
	set, err := j.get(j.ctx)
	if err == nil {
		j.set.Store(set)
	} else if j.ctx.Err() == nil {
		j.report(err)
	}
	j.mu.Lock()
	waiting, again := j.waiting, j.failed && err == nil
	j.failed = err != nil
	j.waiting, j.fetching, j.last = nil, false, time.Now()
	next := j.refresh
	if err != nil {
		next = min(j.retry, j.refresh)
	}
	switch {
	case j.closed:
	case j.timer == nil:
		j.timer = time.AfterFunc(next, j.start)
	default:
		j.timer.Reset(next)
	}
	j.mu.Unlock()
	if again {
		j.recovered()
	}
	if err != nil {
		err = unavailable("the JWKS could not be fetched")
	}
	for _, done := range waiting {
		done(err)
	}
}

// get fetches the set once, and stores nothing.
func (j *jwks) get(ctx context.Context) (*keySet, error) {
	ctx, cancel := context.WithTimeout(ctx, j.timeout)
	defer cancel()
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, j.url, nil)
	if err != nil {
		return nil, fmt.Errorf("the JWKS cannot be requested: %w", err)
	}
	q.Header.Set("Accept", "application/jwk-set+json, application/json")
	r, err := j.client.Do(q)
	if err != nil {
		return nil, fmt.Errorf("the JWKS cannot be fetched: %w", err)
	}
	defer r.Body.Close()
	if r.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the JWKS cannot be fetched: %s answers with status %d", j.url, r.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxJWKS+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("the JWKS cannot be read: %w", err)
	case len(body) > maxJWKS:
		return nil, fmt.Errorf("the JWKS is refused: it has more than %d bytes", maxJWKS)
	}
	return parseJWKS(body)
}

// parseJWKS returns the keys of a set that can verify tokens. It ignores other keys, since a
// provider may publish keys for other uses. A set without any usable key is an error, so that a
// provider's fault does not lock all users out.
func parseJWKS(body []byte) (*keySet, error) {
	var published struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(body, &published); err != nil {
		return nil, errors.New("the JWKS is refused: it is not a JSON object with keys")
	}
	if len(published.Keys) > maxKeys {
		return nil, fmt.Errorf("the JWKS is refused: it has %d keys, more than %d", len(published.Keys), maxKeys)
	}
	set := &keySet{}
	for _, raw := range published.Keys {
		k, ok := parseJWK(raw)
		if !ok {
			continue
		}
		if err := set.add(k); err != nil {
			return nil, fmt.Errorf("the JWKS is refused: %w", err)
		}
	}
	if len(set.all) == 0 {
		return nil, errors.New("the JWKS is refused: none of its keys is for RS256, ES256 or EdDSA")
	}
	return set, nil
}

// parseJWK parses one published key; ok is false if the key cannot verify tokens. It refuses
// secrets (kty oct), because a published secret is not secret; algorithmOf knows only public
// keys.
func parseJWK(raw json.RawMessage) (k key, ok bool) {
	var m jwkset.JWKMarshal
	if json.Unmarshal(raw, &m) != nil || len(m.KID) > MaxName {
		return key{}, false
	}
	if m.USE != "" && m.USE != jwkset.UseSig {
		return key{}, false
	}
	// Copy only the key itself: leave out its certificates and the address of its certificates.
	bare := jwkset.JWKMarshal{KTY: m.KTY, KID: m.KID, ALG: m.ALG, CRV: m.CRV, X: m.X, Y: m.Y, N: m.N, E: m.E}
	parsed, err := jwkset.NewJWKFromMarshal(bare, jwkset.JWKMarshalOptions{}, jwkset.JWKValidateOptions{})
	if err != nil {
		return key{}, false
	}
	alg, err := algorithmOf(parsed.Key())
	if err != nil || m.ALG != "" && string(m.ALG) != alg {
		return key{}, false
	}
	return key{m.KID, []string{alg}, parsed.Key()}, true
}

// close cancels the running fetch, stops the timer, and returns when every waiting function has
// been called.
func (j *jwks) close() {
	j.mu.Lock()
	j.closed = true
	if j.timer != nil {
		j.timer.Stop()
	}
	j.mu.Unlock()
	j.cancel()
	j.ends.Wait()
	j.client.CloseIdleConnections()
}
