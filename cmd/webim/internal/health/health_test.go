package health

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// TestHealth checks the answers of both paths in each state of the program.
func TestHealth(t *testing.T) {
	var h Health
	fault := false
	h.Store = func() (string, bool) { return "the connection to nats://10.0.0.3 is lost", fault }
	handler := h.Over(http.NotFoundHandler())
	expect := func(state, method, path string, status int, body, kind string) {
		t.Helper()
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(method, path, nil))
		if w.Code != status || w.Body.String() != body || w.Header().Get("Content-Type") != kind {
			t.Errorf("%s: %s %s: %d %q as %s", state, method, path, w.Code, w.Body, w.Header().Get("Content-Type"))
		}
	}
	const text, object = "text/plain; charset=utf-8", "application/json"
	for _, step := range []struct {
		state         string
		then          func()
		health, ready int
		why, reasons  string
	}{
		{"starting", func() {}, 200, 503, "ok", `"starting"`},
		{"starting without a store", func() { fault = true }, 503, 503, "the store cannot be used", `"starting","store"`},
		{"serving without a store", h.Serve, 503, 503, "the store cannot be used", `"store"`},
		{"serving", func() { fault = false }, 200, 200, "ok", ""},
		{"draining", h.Drain, 503, 503, "shutting down", `"draining"`},
		{"draining without a store", func() { fault = true }, 503, 503, "shutting down", `"draining","store"`},
		{"serving too late", h.Serve, 503, 503, "shutting down", `"draining","store"`},
	} {
		step.then()
		ready := map[int]string{200: "true", 503: "false"}[step.ready]
		for _, slash := range []string{"", "/", "//"} {
			expect(step.state, "GET", "/health"+slash, step.health, step.why+"\n", text)
			expect(step.state, "GET", "/ready"+slash, step.ready, `{"ready":`+ready+`,"reasons":[`+step.reasons+"]}\n", object)
		}
		if h.Ready() != (step.ready == 200) {
			t.Errorf("%s: ready is %v", step.state, h.Ready())
		}
	}
	for _, method := range []string{"DELETE", "PUT", "TRACE", "POST", "OPTIONS"} {
		expect("any", method, "/health", 405, "Use GET or HEAD.\n", text)
		expect("any", method, "/ready", 405, "Use GET or HEAD.\n", text)
	}
	for _, path := range []string{"/", "/healthy", "/readyz"} {
		expect("any", "GET", path, 404, "404 page not found\n", text)
	}
}
