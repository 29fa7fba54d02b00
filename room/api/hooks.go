package api

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
	"webim/room"
	"webim/room/name"
	"webim/room/token"
	"webim/room/wire"
)

// HooksConfig holds the settings of Hooks.
type HooksConfig struct {
	// URLs are where the backend is asked; "": it is not.
	URLs [room.NumHooks]string
	// Rooms are patterns of those for which HookSubscribe and HookPublish ask;
	// none: all.
	Rooms []string
	// Open are the hooks without which things go on as if there were none, when
	// the backend does not answer; the others then refuse, for a while.
	Open [room.NumHooks]bool
	// Timeout bounds an answer; 0: 1 s.
	Timeout time.Duration
	// Secret signs all requests; "": none is signed.
	Secret string
	// Headers of the handshake that questions have.
	Headers []string
	// Concurrency bounds the requests under way of each hook; 0: 256. One user, or
	// one address without a token, has at most seven eighths of them. Four times as
	// many questions wait, and users and addresses take turns; when all these places
	// are taken, whoever has most of them gives way to others. A client whose
	// question is beyond that, or waits longer than Timeout, is told to try again.
	Concurrency int
	// MaxAnswer bounds the bytes of an answer; 0: 1 MiB.
	MaxAnswer int64
	// MaxNotices bounds the notices that wait; 0: 10,000. Those beyond are
	// dropped, and counted.
	MaxNotices int
	// Logger gets what went wrong; nil: slog.Default().
	Logger *slog.Logger
}

// Hooks ask an application's backend over HTTP; they are a room.Backend. Close
// ends them.
type Hooks struct {
	cfg    HooksConfig
	hooks  [room.NumHooks]hook
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	notices chan room.Departure
	closing chan struct{}
	dropped atomic.Int64
	told    *ratelog.Logger // what went wrong, and whom the backend refuses
}

// hook is what one hook has of its own: a hook whose backend is slow, or whose
// places somebody has filled, takes nothing from the others.
type hook struct {
	client *http.Client
	places *places // requests under way
}

// maxAnswerHead bounds the head of a backend's answer. The default of net/http is 10 MiB,
// which hundreds of requests at a time would multiply.
const maxAnswerHead = 64 << 10

// NewHooks makes hooks, whose notices leave in the background until Close.
func NewHooks(cfg HooksConfig) *Hooks {
	cfg.Timeout = cmp.Or(cfg.Timeout, time.Second)
	cfg.Concurrency = cmp.Or(cfg.Concurrency, 256)
	cfg.MaxAnswer = cmp.Or(cfg.MaxAnswer, 1<<20)
	cfg.MaxNotices = cmp.Or(cfg.MaxNotices, 10_000)
	cfg.Logger = cmp.Or(cfg.Logger, slog.Default())
	cfg.Rooms = slices.Clone(cfg.Rooms)
	for i := range cfg.Rooms {
		cfg.Rooms[i] = name.Normal(cfg.Rooms[i]) // as the names are that it is compared with
	}
	h := &Hooks{cfg: cfg, notices: make(chan room.Departure, cfg.MaxNotices), closing: make(chan struct{})}
	h.told = ratelog.New(cfg.Logger)
	h.ctx, h.cancel = context.WithCancel(context.Background())
	for k := range h.hooks {
		h.hooks[k].places = newPlaces(cfg.Concurrency)
		h.hooks[k].client = &http.Client{
			Transport: &http.Transport{MaxIdleConnsPerHost: 32, MaxConnsPerHost: cfg.Concurrency, IdleConnTimeout: time.Minute,
				DisableCompression: true, ResponseHeaderTimeout: cfg.Timeout, MaxResponseHeaderBytes: maxAnswerHead},
			// A redirect could lead the users' data, and the signature, elsewhere.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
	}
	if cfg.URLs[room.HookDisconnect] != "" {
		h.wg.Go(h.deliver)
	}
	return h
}

// Close sends the notices that wait, until ctx ends, and then ends what is under
// way. Call it once, when nobody asks any more.
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

// Asks implements room.Backend.
func (h *Hooks) Asks(k room.Hook, name string) bool {
	if h.cfg.URLs[k] == "" {
		return false
	}
	if k != room.HookSubscribe && k != room.HookPublish || len(h.cfg.Rooms) == 0 {
		return true
	}
	for _, pattern := range h.cfg.Rooms {
		if token.Match(pattern, name) {
			return true
		}
	}
	return false
}

// Headers implements room.Backend.
func (h *Hooks) Headers() []string { return h.cfg.Headers }

// errBusy is the answer to a question for which there is no place. It is not the
// backend's silence: nothing goes on as if there were no hook.
var errBusy = wire.Explain(wire.ErrTooManyRequests, "too many requests: as many questions to the application's backend as may are under way, try again")

// Ask implements room.Backend.
func (h *Hooks) Ask(q room.Inquiry, done func(room.Answer, error)) {
	places, asked := h.hooks[q.Hook].places, time.Now()
	places.enter(q.Payer, func() {
		h.wg.Go(func() {
			defer places.leave(q.Payer)
			if time.Since(asked) > h.cfg.Timeout {
				done(h.tooBusy(&q))
				return
			}
			done(h.exchange(q))
		})
	}, func() { h.wg.Go(func() { done(h.tooBusy(&q)) }) })
}

// tooBusy is the answer to a question that found no place.
func (h *Hooks) tooBusy(q *room.Inquiry) (room.Answer, error) {
	h.told.Warn("the hook "+q.Hook.String()+" is busy: as many of its requests as may are under way", "hook", q.Hook.String(), "see", "hook_concurrency", "payer", q.Payer.String())
	return room.Answer{}, errBusy
}

// without is the answer where there is none: by the hook's policy.
func (h *Hooks) without(k room.Hook, why error) (room.Answer, error) {
	h.told.Warn("the hook "+k.String()+" is not answered", "hook", k.String(), "err", why, "see", "hook_"+k.String()+", hook_timeout")
	if h.cfg.Open[k] {
		return room.Answer{}, room.ErrNoAnswer
	}
	return room.Answer{}, wire.ErrInternal // temporary: SDKs try again
}

// exchange asks one question, and judges what comes back.
func (h *Hooks) exchange(q room.Inquiry) (room.Answer, error) {
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
		h.told.Info("the hook "+q.Hook.String()+" refuses a client", "hook", q.Hook.String(), "reason", err, "room", q.Room, "user", q.User)
	}
	return a, err
}

// post sends a body and returns the answer's.
func (h *Hooks) post(ctx context.Context, k room.Hook, header http.Header, body []byte) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, h.cfg.URLs[k], bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	for name, values := range header {
		r.Header[name] = values
	}
	r.Header.Set("Content-Type", "application/json")
	if k != room.HookPublish && k != room.HookRPC {
		// Asking twice does no harm: where the backend has just closed the
		// connection that is used again, net/http takes another. It sends no
		// such header.
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

// SignatureHeader has "t=UNIX,v1=HEX": HEX is the HMAC-SHA256, with the secret, of
// UNIX, a dot and the body. A receiver compares it, and refuses what is older than
// a few minutes.
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
