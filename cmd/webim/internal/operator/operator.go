package operator

import (
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"webim/netpoll/ratelog"
	"webim/room/apikey"
)

// Config has the parts of a Handler. Guard, Metrics and Logger are required.
type Config struct {
	Guard       *apikey.Guard // without keys, it opens nothing
	Metrics     http.Handler
	MetricsOpen func() bool // whether /metrics needs no key
	// Why passes to done what is known of the connections of a user, an address or an id that have ended; any
	// goroutine may call done. The answer becomes JSON.
	Why func(who string, done func(answer any))
	// NewKey returns the key with a secret that is not in force, but would be after a reload, or nil. It opens the path for Reload, too.
	// busy says that too many have asked, so that it has not looked. A nil NewKey knows none.
	NewKey func(secret string) (key *apikey.Key, busy bool)
	// Reload and Upgrade answer POST requests for their paths. by names the key of the request. nil: there is no such path.
	Reload, Upgrade func(w http.ResponseWriter, r *http.Request, by string)
	Logger          *slog.Logger
}

// The rights of keys.
const (
	RightMetrics = "metrics"
	RightProfile = "pprof"
	RightReload  = "reload"
	RightUpgrade = "upgrade"
	RightWhy     = "why"
)

// Rights are the rights that a key may have here.
var Rights = []string{RightMetrics, RightProfile, RightReload, RightUpgrade, RightWhy}

// The paths.
const (
	metricsPath = "/metrics"
	profilePath = "/debug/pprof/"
	ReloadPath  = "/reload"
	UpgradePath = "/upgrade"
	// WhyPath is the path of the flight recorder.
	WhyPath = "/why"
)

// handler is the Handler.
type handler struct {
	Config
	refused *ratelog.Logger
}

// Over returns a handler that serves the paths of this package, and passes all others to rest.
func Over(c Config, rest http.Handler) http.Handler {
	h := &handler{c, ratelog.New(c.Logger)}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == metricsPath:
			if c.MetricsOpen() || h.open(w, r, RightMetrics) != "" {
				c.Metrics.ServeHTTP(w, r)
			}
		case r.URL.Path+"/" == profilePath || strings.HasPrefix(r.URL.Path, profilePath):
			if by := h.open(w, r, RightProfile); by != "" {
				h.profile(w, r, by)
			}
		case r.URL.Path == ReloadPath && c.Reload != nil:
			h.act(w, r, RightReload, c.Reload)
		case r.URL.Path == UpgradePath && c.Upgrade != nil:
			h.act(w, r, RightUpgrade, c.Upgrade)
		case r.URL.Path == WhyPath:
			if by := h.open(w, r, RightWhy); by != "" {
				h.why(w, r, by)
			}
		default:
			rest.ServeHTTP(w, r)
		}
	})
}

// act lets do answer a request that changes the server, and leaves a line in the log.
func (h *handler) act(w http.ResponseWriter, r *http.Request, right string, do func(http.ResponseWriter, *http.Request, string)) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "Use POST.", http.StatusMethodNotAllowed)
		return
	}
	if by := h.open(w, r, right); by != "" {
		h.Logger.Info("an operator asks for something", "what", right, "by", by, "addr", r.RemoteAddr)
		do(w, r, by)
	}
}

// Answer answers a request for ReloadPath or UpgradePath with a sentence, or with the reason why nothing has changed.
func Answer(w http.ResponseWriter, text string, err error) {
	status, body := describe(w.Header(), text, err)
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

// AnswerOn is Answer on a connection that net/http does not have any more. It closes the connection.
func AnswerOn(conn io.WriteCloser, text string, err error) {
	r := http.Response{ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{}, Close: true}
	status, body := describe(r.Header, text, err)
	r.StatusCode, r.Body, r.ContentLength = status, io.NopCloser(strings.NewReader(body)), int64(len(body))
	_ = r.Write(conn) // the client may have gone
	_ = conn.Close()
}

// describe returns the status and the body of an answer, and sets its header.
func describe(header http.Header, text string, err error) (status int, body string) {
	status = http.StatusOK
	header.Set("Content-Type", "text/plain; charset=utf-8")
	header.Set("Cache-Control", "no-store")
	if err != nil {
		status, text = http.StatusConflict, err.Error()
	}
	return status, strings.TrimSuffix(text, ".") + ".\n"
}

// open returns the name of the key that opens a path. If there is none, it has refused the request, and
// returns "".
func (h *handler) open(w http.ResponseWriter, r *http.Request, right string) (by string) {
	secret := secretOf(r)
	key, busy := h.Guard.Find(secret), false
	if (key == nil || !Opens(key, right)) && right == RightReload && h.NewKey != nil {
		var next *apikey.Key
		if next, busy = h.NewKey(secret); next != nil {
			key = next
		}
	}
	status, text := http.StatusUnauthorized, "This address needs a key of the server API, in the header X-API-Key or as \"Authorization: apikey KEY\"."
	switch {
	case key != nil && Opens(key, right):
		return "key " + key.Name
	case busy:
		status, text = http.StatusTooManyRequests, "Too many requests with wrong keys: try again in a second, or send the process SIGHUP."
	case key != nil:
		status, text = http.StatusForbidden, "The key has no right to see this: it needs "+right+"."
	}
	h.refused.Warn("a request for figures, profiles or records is refused", "path", r.URL.Path[:min(len(r.URL.Path), 100)], "status", status, "see", "api_key_file, api_key_rights, metrics_open", "addr", r.RemoteAddr)
	w.Header().Set("Cache-Control", "no-store")
	if status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "apikey")
	}
	http.Error(w, text, status)
	return ""
}

// Opens reports whether a key has a right of this package.
func Opens(key *apikey.Key, right string) bool {
	return len(key.Rights) == 0 || slices.ContainsFunc(key.Rights, func(had apikey.Right) bool { return had.Method == right })
}

// secretOf returns the key of a request; "" if it has none.
func secretOf(r *http.Request) string {
	if key := r.Header.Get("X-API-Key"); key != "" {
		return key
	}
	scheme, key, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if strings.EqualFold(scheme, "apikey") || strings.EqualFold(scheme, "bearer") {
		return strings.TrimSpace(key)
	}
	return ""
}
