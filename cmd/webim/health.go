package main

import (
	"io"
	"net/http"
	"strings"
	"sync/atomic"

	"webim/room/wire"
)

// health answers /health: 200 while serving, 503 once shutting down, so that a
// balancer sends nobody any more.
type health struct{ stopping atomic.Bool }

// answer is netpoll.Config.Health: it answers when over cannot, because all places are
// taken.
func (h *health) answer() (status int, text string) {
	if h.stopping.Load() {
		return http.StatusServiceUnavailable, "shutting down"
	}
	return http.StatusOK, "ok"
}

// over answers /health itself and leaves the rest to pages.
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

// upgradeOver answers requests for the endpoint of the Centrifuge protocol that ask
// for no upgrade, in any spelling of its path, and leaves the rest to pages. Such a
// request is most often one from which a proxy has taken the Upgrade header.
func upgradeOver(pages http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if target, _, _ := wire.TargetOf(r.URL.Path); target != wire.TargetEndpoint {
			pages.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Upgrade", "websocket")
		w.Header().Set("Connection", "Upgrade")
		w.Header().Set("Cache-Control", "no-store")
		http.Error(w, "WebSockets connect here, and this request asks for none. If a WebSocket client sent it, "+
			"a proxy on the way drops the headers Upgrade and Connection: configure the proxy to pass them on.", http.StatusUpgradeRequired)
	})
}
