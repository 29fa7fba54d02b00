package main

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestHealth(t *testing.T) {
	var h health
	handler := h.over(http.NotFoundHandler())
	ask := func(path string) (status int, body string) {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		return w.Code, w.Body.String()
	}
	if status, body := ask("/health"); status != 200 || body != "ok\n" {
		t.Errorf("serving: %d %q", status, body)
	}
	h.stopping.Store(true)
	if status, body := ask("/health"); status != 503 || body != "shutting down\n" {
		t.Errorf("shutting down: %d %q", status, body)
	}
	for _, path := range []string{"/", "/health/", "/healthy"} {
		if status, _ := ask(path); status != 404 {
			t.Errorf("%s does not go to the pages: %d", path, status)
		}
	}
}
