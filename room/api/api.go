package api

import (
	"cmp"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"webim/netpoll/ratelog"
	"webim/room"
	"webim/room/apikey"
	"webim/room/wire"
)

// Config holds the settings of a Handler. Hub and Guard are required.
type Config struct {
	Hub *room.Hub
	// Guard has the keys that open the API, and the names that a request's Host header may have. The Handler asks it at
	// each request, so Guard.Replace takes effect at once. Without keys, only tokens open the API.
	Guard *apikey.Guard
	// MaxBody limits the bytes of a request's body. 0 means 4 MiB.
	MaxBody int64
	// MaxChannels limits the rooms of a broadcast. 0 means 1000.
	MaxChannels int
	// MaxCommands limits the commands of a batch. 0 means 1000.
	MaxCommands int
	// Timeout limits how long a call waits for the engine. 0 means 10 s.
	Timeout time.Duration
	// Logger gets internal errors, which clients do not see, one line for each successful call that
	// takes something from users, and rate-limited lines about refused requests. nil means
	// slog.Default().
	Logger *slog.Logger
}

// Prefix is the path of the methods; the name of the method follows it.
const Prefix = "/api/"

// Serves reports whether path belongs to the API.
func Serves(path string) bool { return path == linesPath || strings.HasPrefix(path, Prefix) }

// Handler serves the API's paths (see Serves). It is safe for concurrent use.
type Handler struct {
	cfg  Config
	told *ratelog.Logger // logs refused requests
}

// New returns a Handler. The error names the missing setting.
func New(cfg Config) (*Handler, error) {
	if cfg.Hub == nil || cfg.Guard == nil {
		return nil, errors.New("api: Config.Hub or Config.Guard is missing")
	}
	cfg.MaxBody = cmp.Or(cfg.MaxBody, 4<<20)
	cfg.MaxChannels = cmp.Or(cfg.MaxChannels, 1000)
	cfg.MaxCommands = cmp.Or(cfg.MaxCommands, 1000)
	cfg.Timeout = cmp.Or(cfg.Timeout, 10*time.Second)
	cfg.Logger = cmp.Or(cfg.Logger, slog.Default())
	return &Handler{cfg, ratelog.New(cfg.Logger)}, nil
}

// Methods returns the names of all methods, sorted.
func Methods() []string { return slices.Sorted(maps.Keys(methods)) }

// ServeHTTP answers a request. If the HTTP request itself is wrong, the status says so. If the call
// fails, the status is 200 and the body has the error.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, below := strings.CutPrefix(r.URL.Path, Prefix)
	m, known := methods[name]
	lines := r.URL.Path == linesPath
	switch {
	case !h.cfg.Guard.KnowsHost(r.Host):
		h.told.Warn("api: refused a request for another server", "status", http.StatusMisdirectedRequest, "host", quoted(r.Host), "see", "api_host", "addr", r.RemoteAddr)
		refuse(w, http.StatusMisdirectedRequest, bad("this server is not configured to answer as "+quoted(r.Host)+": use its address or localhost, or add the name to api_host"))
		return
	case below && name == descriptionName:
		serveDescription(w, r)
		return
	}
	r, refused := h.admit(r, m)
	switch {
	case refused != nil && refused.Code == uint32(wire.ErrPermissionDenied):
		h.told.Warn("api: refused a request with a valid key or token that has no right to call the method", "status", http.StatusForbidden, "method", name, "by", callerOf(r.Context()),
			"see", "api_key_rights, the token's role", "addr", r.RemoteAddr)
		refuse(w, http.StatusForbidden, refused)
	case refused != nil && refused.Code == uint32(wire.ErrInternal):
		h.told.Warn("api: refused a request with a token that cannot be judged now", "status", http.StatusServiceUnavailable, "reason", refused.Message, "see", "token_jwks, /ready",
			"addr", r.RemoteAddr)
		w.Header().Set("Retry-After", "5")
		refuse(w, http.StatusServiceUnavailable, refused)
	case refused != nil:
		h.told.Warn("api: refused a request without a valid key or token", "status", http.StatusUnauthorized, "reason", refused.Message,
			"see", "api_key_file", "addr", r.RemoteAddr)
		refuse(w, http.StatusUnauthorized, refused)
	case !lines && !(below && known):
		h.refuse(w, r, http.StatusNotFound, coded(wire.ErrMethodNotFound, "there is no method "+quoted(name)))
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodPost)
		h.refuse(w, r, http.StatusMethodNotAllowed, bad("send it with POST"))
	default:
		body, failed := h.read(w, r)
		switch {
		case !failed && lines:
			h.lines(w, r, body)
		case !failed:
			h.answer(w, r, m, orEmpty(body))
		}
	}
}

// read reads the body. If it fails, it has answered the request, and failed is true.
func (h *Handler) read(w http.ResponseWriter, r *http.Request) (body []byte, failed bool) {
	if coding := r.Header.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		w.Header().Set("Accept-Encoding", "identity")
		h.refuse(w, r, http.StatusUnsupportedMediaType, bad("the body is compressed: send it without Content-Encoding"))
		return nil, true
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, h.cfg.MaxBody))
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		h.refuse(w, r, http.StatusRequestEntityTooLarge, bad("the body is too long"))
		return nil, true
	}
	if err != nil {
		h.refuse(w, r, http.StatusBadRequest, bad("the body is incomplete"))
		return nil, true
	}
	return body, false
}

// answer calls the method and writes the result or the error.
func (h *Handler) answer(w http.ResponseWriter, r *http.Request, m *method, body []byte) {
	result, failed := h.call(r.Context(), m, body, strict)
	switch {
	case failed != nil:
		write(w, http.StatusOK, failure{failed})
	case m.bare:
		write(w, http.StatusOK, result)
	default:
		write(w, http.StatusOK, success{result})
	}
}

// success and failure are the two forms of a response body.
type success struct {
	Result any `json:"result"`
}

type failure struct {
	Error *Error `json:"error"`
}

// refuse refuses a request of a caller with a valid key or token that is no call, and logs that.
func (h *Handler) refuse(w http.ResponseWriter, r *http.Request, status int, e *Error) {
	h.told.Info("api: refused a request that is no call", "status", status, "reason", e.Message, "by", callerOf(r.Context()), "addr", r.RemoteAddr)
	refuse(w, status, e)
}

func refuse(w http.ResponseWriter, status int, e *Error) { write(w, status, failure{e}) }

// write writes a response. It ignores a write error, because the client is gone then.
func write(w http.ResponseWriter, status int, answer any) {
	b, err := json.Marshal(answer, json.Deterministic(true))
	if err != nil { // the engine stored data that is not JSON
		status, b = http.StatusInternalServerError, []byte(`{"error":{"code":100,"message":"internal server error"}}`)
	}
	writeBytes(w, status, b)
}

func writeBytes(w http.ResponseWriter, status int, b []byte) {
	header := w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(b)
}
