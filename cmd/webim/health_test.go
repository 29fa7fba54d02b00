package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestHealth(t *testing.T) {
	var h health
	handler := h.over(http.NotFoundHandler())
	askBy := func(method, path string) (status int, body string) {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(method, path, nil))
		return w.Code, w.Body.String()
	}
	ask := func(path string) (status int, body string) { return askBy(http.MethodGet, path) }
	for _, method := range []string{"DELETE", "PUT", "TRACE", "POST", "OPTIONS"} {
		if status, body := askBy(method, "/health"); status != 405 || body == "ok\n" {
			t.Errorf("%s: %d %q", method, status, body)
		}
	}
	if status, body := ask("/health/"); status != 200 || body != "ok\n" {
		t.Errorf("with a slash: %d %q", status, body)
	}
	if status, body := ask("/health"); status != 200 || body != "ok\n" {
		t.Errorf("serving: %d %q", status, body)
	}
	why, fault := "the connection to nats://10.0.0.3 is lost", true
	h.fault = func() (string, bool) { return why, fault }
	if status, body := ask("/health"); status != 503 || body != "the store cannot be used\n" {
		t.Errorf("without a store: %d %q", status, body)
	}
	fault = false
	if status, body := ask("/health"); status != 200 || body != "ok\n" {
		t.Errorf("with a store again: %d %q", status, body)
	}
	h.stopping.Store(true)
	if status, body := ask("/health"); status != 503 || body != "shutting down\n" {
		t.Errorf("shutting down: %d %q", status, body)
	}
	for _, path := range []string{"/", "/healthy"} {
		if status, _ := ask(path); status != 404 {
			t.Errorf("%s does not go to the pages: %d", path, status)
		}
	}
}

// TestUpgradeRequired checks the explanation for a request without an upgrade at the endpoint.
func TestUpgradeRequired(t *testing.T) {
	handler := upgradeOver(http.NotFoundHandler())
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
