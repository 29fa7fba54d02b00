package main

import (
	"io"
	"net/http"
	"strings"
	"sync/atomic"

	"webim/room/wire"
)

// health serves /health: 200 while the program serves, and 503 after it has begun to shut down, or while
// the engine's store cannot be used, so that load balancers send clients elsewhere.
type health struct {
	stopping atomic.Bool
	fault    func() (why string, fault bool) // of the store: room.Hub.StoreFault; nil: none
}

// answer is netpoll.Config.Health: netpoll calls it when over cannot answer because the
// connection limits are reached.
func (h *health) answer() (status int, text string) {
	if h.stopping.Load() {
		return http.StatusServiceUnavailable, "shutting down"
	}
	if h.fault != nil {
		if _, fault := h.fault(); fault { // why is for operators: anybody may read this
			return http.StatusServiceUnavailable, "the store cannot be used"
		}
	}
	return http.StatusOK, "ok"
}

// over returns a handler that serves /health itself and passes all other paths to pages.
func (h *health) over(pages http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.TrimRight(r.URL.Path, "/") != "/health" {
			pages.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		switch {
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			w.Header().Set("Allow", "GET, HEAD")
			w.WriteHeader(http.StatusMethodNotAllowed)
			_, _ = io.WriteString(w, "Use GET or HEAD.\n")
		default:
			status, text := h.answer()
			w.WriteHeader(status)
			_, _ = io.WriteString(w, text+"\n")
		}
	})
}

// upgradeOver returns a handler that answers requests without an upgrade for the endpoint of
// the Centrifuge protocol, in any spelling of its path, and passes all others to pages. In most
// cases a proxy has removed the Upgrade header from such a request.
func upgradeOver(pages http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if target, _, _ := wire.TargetOf(r.URL.Path); target != wire.TargetEndpoint {
			pages.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Upgrade", "websocket")
		w.Header().Set("Connection", "Upgrade")
		w.Header().Set("Cache-Control", "no-store")
		http.Error(w, "This address is for WebSockets, and this request does not ask for one. If a WebSocket client sent it, "+
			"a proxy on the way drops the headers Upgrade and Connection: configure the proxy to pass them on.", http.StatusUpgradeRequired)
	})
}
