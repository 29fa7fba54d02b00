package health

import (
	"io"
	"net/http"
	"strings"
	"sync/atomic"
)

// Health is the state of the program. The zero value is starting. It is safe for concurrent use.
type Health struct {
	// Store reports whether the engine's store cannot be used: room.Hub.StoreFault. It is set before the
	// first request; nil: there is no store.
	Store func() (why string, fault bool)

	state atomic.Int32
}

// The states of a program, in order.
const (
	starting int32 = iota
	serving
	draining
)

// Serve notes that all addresses are open.
func (h *Health) Serve() { h.state.CompareAndSwap(starting, serving) }

// Drain notes that the program ends, or will soon, and should get no more clients.
func (h *Health) Drain() { h.state.Store(draining) }

// The reasons for which the program should get no new clients.
const (
	Starting = "starting"
	Draining = "draining"
	Store    = "store" // the engine's store cannot be used
)

// Reasons returns the reasons for which the program should get no new clients. If there are none, it is
// ready. Anybody may read them: they are fixed words.
func (h *Health) Reasons() (all []string) {
	switch h.state.Load() {
	case starting:
		all = append(all, Starting)
	case draining:
		all = append(all, Draining)
	}
	if h.storeFault() {
		all = append(all, Store)
	}
	return all
}

// Ready reports whether the program should get new clients.
func (h *Health) Ready() bool { return len(h.Reasons()) == 0 }

// Fault returns why the process is not well; "" means that it is.
func (h *Health) Fault() string {
	switch {
	case h.state.Load() == draining:
		return "shutting down"
	case h.storeFault(): // the reason is for operators: anybody may read this
		return "the store cannot be used"
	}
	return ""
}

func (h *Health) storeFault() bool {
	if h.Store == nil {
		return false
	}
	_, fault := h.Store()
	return fault
}

// Answer returns the status and the body for a path, without a slash at its end. Status 0 means that
// the path is another. It is a netpoll.Config.Health.
func (h *Health) Answer(path string) (status int, line string) {
	switch path {
	case "/health":
		if fault := h.Fault(); fault != "" {
			return http.StatusServiceUnavailable, fault
		}
		return http.StatusOK, "ok"
	case "/ready":
		if reasons := h.Reasons(); len(reasons) > 0 {
			return http.StatusServiceUnavailable, `{"ready":false,"reasons":["` + strings.Join(reasons, `","`) + `"]}`
		}
		return http.StatusOK, `{"ready":true,"reasons":[]}`
	}
	return 0, ""
}

// Over returns a handler that serves the paths of Answer itself and passes all others to pages.
func (h *Health) Over(pages http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status, line := h.Answer(strings.TrimRight(r.URL.Path, "/"))
		if status == 0 {
			pages.ServeHTTP(w, r)
			return
		}
		header := w.Header()
		header.Set("Content-Type", "text/plain; charset=utf-8")
		header.Set("Cache-Control", "no-store")
		header.Set("X-Content-Type-Options", "nosniff")
		switch {
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			header.Set("Allow", "GET, HEAD")
			status, line = http.StatusMethodNotAllowed, "Use GET or HEAD."
		case strings.HasPrefix(line, "{"):
			header.Set("Content-Type", "application/json")
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, line+"\n")
	})
}
