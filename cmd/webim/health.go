package main

import (
	"io"
	"net/http"
	"sync/atomic"
)

// health answers /health: 200 while serving, 503 once shutting down, so that a
// balancer sends nobody any more.
type health struct{ stopping atomic.Bool }

// over answers /health itself and leaves the rest to pages.
func (h *health) over(pages http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/health" {
			pages.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if h.stopping.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = io.WriteString(w, "shutting down\n")
			return
		}
		_, _ = io.WriteString(w, "ok\n")
	})
}
