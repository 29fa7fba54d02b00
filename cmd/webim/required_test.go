package main

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestUpgradeRequired checks the explanation for a request without an upgrade at the endpoint.
func TestUpgradeRequired(t *testing.T) {
	handler := upgradeOver(http.NotFoundHandler(), slog.New(slog.DiscardHandler))
	for path, want := range map[string]int{
		"/connection/websocket": 426, "/connection/websocket/": 426, "//connection/websocket": 426, "/Connection/WebSocket?cf_protocol_version=v2": 426,
		"/connection": 404, "/connection/http_stream": 404, "/": 404,
	} {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://h"+path, nil))
		if w.Code != want || want == 426 && (w.Header().Get("Upgrade") != "websocket" || !strings.Contains(w.Body.String(), "proxy")) {
			t.Errorf("%s: %d %v %q, want %d", path, w.Code, w.Header(), w.Body, want)
		}
	}
}
