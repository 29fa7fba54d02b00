package hooks

import (
	"bytes"
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json"

	"webim/netpoll/ratelog"
	"webim/room/backend"
	"webim/room/budget"
	"webim/room/name"
	"webim/room/wire"
)

// Config holds the settings of Hooks.
type Config struct {
	// URLs has the URL of each hook. "" means that the hook does not exist.
	URLs [backend.NumHooks]string
	// Rooms are patterns of the rooms for which HookSubscribe and HookPublish exist. If it is
	// empty, they exist for all rooms.
	Rooms []string
	// Open decides what happens if the backend does not reply validly. If it is true, webim goes on
	// as if the hook did not exist. Otherwise it refuses the client with a temporary error.
	Open [backend.NumHooks]bool
	// Timeout limits the time of one request, and the time that a request may wait before it is
	// sent. 0 means 1 s.
	Timeout time.Duration
	// Secret signs all requests. If it is empty, requests are not signed.
	Secret string
	// Headers are the names of the headers that requests copy from the client's handshake.
	Headers []string
	// Concurrency limits the concurrent requests of each hook. 0 means 256. One user, or one
	// address without a token, has at most seven eighths of them. Four times as many requests may
	// wait, and users and addresses take turns. If that limit is reached too, the user or address
	// with the most waiting requests loses one to others. If a request finds no place to wait, or
	// waits longer than Timeout, its client is told to try again.
	Concurrency int
	// MaxAnswer limits the bytes of a reply's body. 0 means 1 MiB.
	MaxAnswer int64
	// MaxNotices limits the notices that wait. 0 means 10,000. Notices beyond it are dropped and
	// counted.
	MaxNotices int
	// Logger gets failures and refusals. nil means slog.Default().
	Logger *slog.Logger
}

// Hooks implements backend.Backend by HTTP requests to an application's backend. Close stops it.
type Hooks struct {
	cfg    Config
	hooks  [backend.NumHooks]hook
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	notices chan backend.DisconnectEvent // nil without a disconnect hook
	closing chan struct{}
	dropped atomic.Int64
	told    *ratelog.Logger // logs failures and refused clients
}

// hook is the state of one hook. Hooks share nothing, so a slow backend of one hook, or a user that
// fills its slots, delays no other hook.
type hook struct {
	client *http.Client
	slots  *budget.Slots // limits the concurrent requests
	counts counts
}

// maxAnswerHead limits the bytes of a reply's header. The default of net/http is 10 MiB, which
// hundreds of concurrent requests would multiply.
const maxAnswerHead = 64 << 10

// New returns Hooks. If there is a disconnect hook, a goroutine sends its notices until Close.
func New(cfg Config) *Hooks {
	cfg.Timeout = cmp.Or(cfg.Timeout, time.Second)
	cfg.Concurrency = cmp.Or(cfg.Concurrency, 256)
	cfg.MaxAnswer = cmp.Or(cfg.MaxAnswer, 1<<20)
	cfg.MaxNotices = cmp.Or(cfg.MaxNotices, 10_000)
	cfg.Logger = cmp.Or(cfg.Logger, slog.Default())
	cfg.Rooms = slices.Clone(cfg.Rooms)
	for i := range cfg.Rooms {
		cfg.Rooms[i] = name.Normal(cfg.Rooms[i]) // the names that are compared with it are normalised too
	}
	h := &Hooks{cfg: cfg, closing: make(chan struct{})}
	h.told = ratelog.New(cfg.Logger)
	h.ctx, h.cancel = context.WithCancel(context.Background())
	for k := range h.hooks {
		h.hooks[k].slots = budget.NewSlots(cfg.Concurrency, budget.WaitFactor*cfg.Concurrency, 0)
		h.hooks[k].client = &http.Client{
			Transport: &http.Transport{MaxIdleConnsPerHost: 32, MaxConnsPerHost: cfg.Concurrency, IdleConnTimeout: time.Minute,
				DisableCompression: true, ResponseHeaderTimeout: cfg.Timeout, MaxResponseHeaderBytes: maxAnswerHead},
			// A redirect could send the users' data and the signature to another server.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
	}
	if h.Handles(backend.HookDisconnect) {
		h.notices = make(chan backend.DisconnectEvent, cfg.MaxNotices)
		h.wg.Go(h.deliver)
	}
	return h
}

// Close sends the waiting notices until ctx ends, and then cancels the requests that still run. It
// must be called once, after the last call of Ask.
func (h *Hooks) Close(ctx context.Context) {
	close(h.closing)
	stop := context.AfterFunc(ctx, h.cancel)
	h.wg.Wait()
	stop()
	h.cancel()
	for k := range h.hooks {
		h.hooks[k].client.CloseIdleConnections()
	}
}

// Handles implements backend.Backend.
func (h *Hooks) Handles(k backend.Hook) bool { return h.cfg.URLs[k] != "" }

// Asks implements backend.Backend.
func (h *Hooks) Asks(k backend.Hook, roomName string) bool {
	if !h.Handles(k) {
		return false
	}
	if k != backend.HookSubscribe && k != backend.HookPublish || len(h.cfg.Rooms) == 0 {
		return true
	}
	for _, pattern := range h.cfg.Rooms {
		if name.Match(pattern, roomName) {
			return true
		}
	}
	return false
}

// Headers implements backend.Backend. Without any hook that sends headers there are none.
func (h *Hooks) Headers() []string {
	for k := range backend.HookDisconnect {
		if h.Handles(k) {
			return h.cfg.Headers
		}
	}
	return nil
}

// errBusy is the reply to a request that found no place. It is not ErrNoAnswer: webim does not go
// on as if the hook did not exist, whatever Open says.
var errBusy = wire.Explain(wire.ErrTooManyRequests, "too many requests: the limit of concurrent requests to the application's backend is reached, try again")

// Ask implements backend.Backend.
func (h *Hooks) Ask(q backend.Request, done func(backend.Reply, error)) {
	if !h.Handles(q.Hook) { // since Asks or Handles was called
		h.wg.Go(func() { done(backend.Reply{}, backend.ErrNoAnswer) })
		return
	}
	h.hooks[q.Hook].slots.Acquire(q.Payer, &request{h, q, time.Now(), done})
}

// request is a request to the backend that waits for a slot.
type request struct {
	h     *Hooks
	q     backend.Request
	asked time.Time
	done  func(backend.Reply, error)
}

// Start implements budget.Waiter: it sends the request on its own goroutine.
func (r *request) Start() {
	r.h.wg.Go(func() {
		defer r.h.hooks[r.q.Hook].slots.Release(r.q.Payer)
		if time.Since(r.asked) > r.h.cfg.Timeout {
			r.done(r.h.tooBusy(&r.q))
			return
		}
		r.done(r.h.exchange(r.q))
	})
}

// Refuse implements budget.Waiter.
func (r *request) Refuse() { r.h.wg.Go(func() { r.done(r.h.tooBusy(&r.q)) }) }

// tooBusy logs and returns the reply to a request that found no place.
func (h *Hooks) tooBusy(q *backend.Request) (backend.Reply, error) {
	h.count(q.Hook, Busy)
	h.told.Warn("the hook "+q.Hook.String()+" is busy: the limit of its concurrent requests is reached", "hook", q.Hook.String(), "see", "hook_concurrency", "payer", q.Payer.String())
	return backend.Reply{}, errBusy
}

// without logs that there is no valid reply, and returns the result that Open sets for the hook. That
// Close has canceled the request is no failure of the backend.
func (h *Hooks) without(k backend.Hook, why error) (backend.Reply, error) {
	h.count(k, Failed)
	if h.ctx.Err() != nil && errors.Is(why, h.ctx.Err()) {
		h.told.Info("a request of the hook "+k.String()+" was given up because the server stops", "hook", k.String())
	} else {
		h.told.Warn("the hook "+k.String()+" got no valid reply", "hook", k.String(), "err", why, "see", "hook_"+k.String()+", hook_timeout")
	}
	if h.cfg.Open[k] {
		return backend.Reply{}, backend.ErrNoAnswer
	}
	return backend.Reply{}, wire.ErrInternal // temporary: client SDKs try again
}

// exchange sends one request and returns the reply.
func (h *Hooks) exchange(q backend.Request) (backend.Reply, error) {
	body, err := json.Marshal(questionOf(&q))
	if err != nil {
		return h.without(q.Hook, err)
	}
	ctx, cancel := context.WithTimeout(h.ctx, h.cfg.Timeout)
	defer cancel()
	b, err := h.post(ctx, q.Hook, q.Header, body)
	if err != nil {
		return h.without(q.Hook, err)
	}
	a, err := answerOf(b, q.Hook)
	var wrong *answerError
	if errors.As(err, &wrong) {
		return h.without(q.Hook, err)
	}
	if err != nil {
		h.count(q.Hook, Denied)
		h.told.Info("the hook "+q.Hook.String()+" refuses a client", "hook", q.Hook.String(), "reason", err, "room", q.Room, "user", q.User)
		return a, err
	}
	h.count(q.Hook, Accepted)
	return a, nil
}

// post sends a body and returns the body of the reply.
func (h *Hooks) post(ctx context.Context, k backend.Hook, header http.Header, body []byte) ([]byte, error) {
	began := time.Now()
	defer func() { h.hooks[k].counts.took.Observe(time.Since(began)) }()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, h.cfg.URLs[k], bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	for name, values := range header {
		r.Header[name] = values
	}
	r.Header.Set("Content-Type", "application/json")
	if k != backend.HookPublish && k != backend.HookRPC {
		// These requests may be sent twice without harm. The nil header lets net/http send one
		// again on another connection if the backend has just closed the reused connection.
		// net/http does not send the header itself.
		r.Header["Idempotency-Key"] = nil
	}
	h.sign(r, body, time.Now())
	res, err := h.hooks[k].client.Do(r)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, h.cfg.MaxAnswer+1))
	switch {
	case err != nil:
		return nil, err
	case int64(len(b)) > h.cfg.MaxAnswer:
		return nil, fmt.Errorf("the answer is over %d bytes", h.cfg.MaxAnswer)
	case res.StatusCode < 200 || res.StatusCode > 299:
		return nil, fmt.Errorf("status %d", res.StatusCode)
	}
	return b, nil
}

// SignatureHeader has "t=UNIX,v1=HEX". HEX is the HMAC-SHA256, with the secret, of UNIX, a dot and
// the body. A receiver should compute it again, and should refuse requests that are older than a
// few minutes.
const SignatureHeader = "X-Webim-Signature"

func (h *Hooks) sign(r *http.Request, body []byte, now time.Time) {
	if h.cfg.Secret == "" {
		return
	}
	at := strconv.FormatInt(now.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(h.cfg.Secret))
	mac.Write([]byte(at + "."))
	mac.Write(body)
	r.Header.Set(SignatureHeader, "t="+at+",v1="+hex.EncodeToString(mac.Sum(nil)))
}
