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
	"webim/room/wire"
)

// Config holds the settings of a Handler. Hub and Keys must be there.
type Config struct {
	Hub *room.Hub
	// Keys are those that open the API, each with a secret of its own.
	Keys []Key
	// Hosts are the names, without ports, that requests may be for; localhost
	// and addresses of IP always may.
	Hosts []string
	// MaxBody bounds the bytes of a request's body; 0: 4 MiB.
	MaxBody int64
	// MaxChannels bounds the rooms of a broadcast; 0: 1000.
	MaxChannels int
	// MaxCommands bounds the commands of a batch; 0: 1000.
	MaxCommands int
	// Timeout bounds the wait for the engine's answer; 0: 10 s.
	Timeout time.Duration
	// Logger gets what clients are not told, and a line for each action that
	// takes something from users; nil: slog.Default().
	Logger *slog.Logger
}

// Prefix is where the methods are: that and the method's name.
const Prefix = "/api/"

// Serves reports whether a path is the API's.
func Serves(path string) bool { return path == linesPath || strings.HasPrefix(path, Prefix) }

// Handler answers requests to the paths that it Serves. It may be called from any
// goroutine.
type Handler struct {
	cfg   Config
	guard *Guard
	told  *ratelog.Logger // why requests are refused
}

// New makes a Handler. The error says which setting is wrong.
func New(cfg Config) (*Handler, error) {
	if cfg.Hub == nil {
		return nil, errors.New("api: there is no hub")
	}
	if len(cfg.Keys) == 0 {
		return nil, errors.New("api: there is no key, and without one anybody could do anything")
	}
	cfg.MaxBody = cmp.Or(cfg.MaxBody, 4<<20)
	cfg.MaxChannels = cmp.Or(cfg.MaxChannels, 1000)
	cfg.MaxCommands = cmp.Or(cfg.MaxCommands, 1000)
	cfg.Timeout = cmp.Or(cfg.Timeout, 10*time.Second)
	cfg.Logger = cmp.Or(cfg.Logger, slog.Default())
	guard, err := NewGuard(cfg.Keys, cfg.Hosts)
	if err != nil {
		return nil, err
	}
	return &Handler{cfg, guard, ratelog.New(cfg.Logger)}, nil
}

// Methods are the names of all methods, sorted.
func Methods() []string { return slices.Sorted(maps.Keys(methods)) }

// ServeHTTP answers a request. What is wrong with the request itself is said by
// the status; what is wrong with what it asks for is said with status 200.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, below := strings.CutPrefix(r.URL.Path, Prefix)
	m, known := methods[name]
	lines := r.URL.Path == linesPath
	switch {
	case !h.guard.KnowsHost(r.Host):
		h.told.Warn("api: a request for another name is refused", "status", http.StatusMisdirectedRequest, "host", quoted(r.Host), "see", "api_host", "addr", r.RemoteAddr)
		refuse(w, http.StatusMisdirectedRequest, bad("this server is not configured to be "+quoted(r.Host)+": ask by its address or as localhost, or add the name to api_host"))
		return
	case below && name == descriptionName:
		serveDescription(w, r)
		return
	}
	r, refused := h.admit(r, m)
	switch {
	case refused != nil && refused.Code == uint32(wire.ErrPermissionDenied):
		h.told.Warn("api: a key or token that is good does not open a method", "status", http.StatusForbidden, "method", name, "by", callerOf(r.Context()),
			"see", "api_key_rights, the token's role", "addr", r.RemoteAddr)
		refuse(w, http.StatusForbidden, refused)
	case refused != nil:
		h.told.Warn("api: a request without a good key is refused", "status", http.StatusUnauthorized, "reason", refused.Message,
			"see", "api_key_file", "addr", r.RemoteAddr)
		refuse(w, http.StatusUnauthorized, refused)
	case !lines && !(below && known):
		refuse(w, http.StatusNotFound, coded(wire.ErrMethodNotFound, "there is no method "+quoted(name)))
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodPost)
		refuse(w, http.StatusMethodNotAllowed, bad("send it with POST"))
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

// read reads the body; failed: it cannot, and has said so.
func (h *Handler) read(w http.ResponseWriter, r *http.Request) (body []byte, failed bool) {
	if coding := r.Header.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		w.Header().Set("Accept-Encoding", "identity")
		refuse(w, http.StatusUnsupportedMediaType, bad("the body is compressed: send it without Content-Encoding"))
		return nil, true
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, h.cfg.MaxBody))
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		refuse(w, http.StatusRequestEntityTooLarge, bad("the body is too long"))
		return nil, true
	}
	if err != nil {
		refuse(w, http.StatusBadRequest, bad("the body did not arrive whole"))
		return nil, true
	}
	return body, false
}

// answer calls the method and writes what comes of it.
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

// success and failure are the two forms of an answer.
type success struct {
	Result any `json:"result"`
}

type failure struct {
	Error *Error `json:"error"`
}

func refuse(w http.ResponseWriter, status int, e *Error) { write(w, status, failure{e}) }

// write writes an answer. An error is the client's end.
func write(w http.ResponseWriter, status int, answer any) {
	b, err := json.Marshal(answer, json.Deterministic(true))
	if err != nil { // an engine has kept what is no JSON
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
