package operator

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"webim/netpoll/wstest"
	"webim/room/apikey"
)

func TestMain(m *testing.M) { wstest.Main(m) }

// newOperator returns a handler with keys of several rights, and its log.
func newOperator(t *testing.T, open bool) (http.Handler, *wstest.Log) {
	var keys []apikey.Key
	for _, name := range []string{"full", "metrics", "pprof", "publish", "*", "metrics@team-*"} {
		k := apikey.Key{Name: name, Secret: "the secret of " + name}
		if name != "full" {
			right, err := apikey.ParseRight(name)
			if err != nil {
				t.Fatal(err)
			}
			k.Rights = append(k.Rights, right)
		}
		keys = append(keys, k)
	}
	guard, err := apikey.NewGuard(keys, nil)
	if err != nil {
		t.Fatal(err)
	}
	log := new(wstest.Log)
	metrics := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "figures") })
	return Over(Config{Guard: guard, Metrics: metrics, MetricsOpen: func() bool { return open }, Why: func(who string, done func(any)) { done([]string{who}) }, Logger: slog.New(slog.NewTextHandler(log, nil))}, http.NotFoundHandler()), log
}

// ask sends a request with a header, which may be empty.
func ask(h http.Handler, path, header string) (status int, body string) {
	r := httptest.NewRequest("GET", path, nil)
	if name, value, ok := strings.Cut(header, ": "); ok {
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

// TestKeys checks which keys open which paths, and that each refusal is logged without the key.
func TestKeys(t *testing.T) {
	for _, c := range []struct {
		header            string
		metrics, profiles int
	}{
		{"", 401, 401},
		{"X-API-Key: nonsense", 401, 401},
		{"X-API-Key: the secret of full", 200, 200},
		{"Authorization: apikey the secret of full", 200, 200},
		{"Authorization: Bearer the secret of full", 200, 200},
		{"Authorization: Basic the secret of full", 401, 401},
		{"X-API-Key: the secret of metrics", 200, 403},
		{"X-API-Key: the secret of pprof", 403, 200},
		{"X-API-Key: the secret of publish", 403, 403},
		{"X-API-Key: the secret of *", 403, 403},
	} {
		for path, want := range map[string]int{"/metrics": c.metrics, "/debug/pprof/": c.profiles, "/debug/pprof/goroutine": c.profiles} {
			for _, open := range []bool{false, true} {
				want := want
				if open && path == "/metrics" {
					want = 200
				}
				h, log := newOperator(t, open)
				status, body := ask(h, path, c.header)
				if status != want || path == "/metrics" && (body == "figures") != (want == 200) {
					t.Errorf("%s with %q, open %v: %d %q, want %d", path, c.header, open, status, body, want)
				}
				if refused := strings.Contains(log.String(), "a request for figures, profiles or records is refused"); refused != (want != 200) {
					t.Errorf("%s with %q, open %v: the log has %q", path, c.header, open, log)
				}
				if strings.Contains(log.String(), "the secret of") {
					t.Errorf("the log has a key: %s", log)
				}
			}
		}
	}
}

// TestProfiles checks that each profile is logged with the name of the key, that none takes long, and that
// the command line is not shown.
func TestProfiles(t *testing.T) {
	h, log := newOperator(t, false)
	for path, want := range map[string]int{
		"": 200, "heap": 200, "goroutine?debug=1": 200, "allocs": 200, "symbol": 200, "trace?seconds=1": 200, "profile?seconds=1": 200,
		"cmdline": 404, "nonsense": 404, "profile?seconds=61": 400, "profile?seconds=-1": 400, "trace?seconds=x": 400,
	} {
		log.Take()
		status, body := ask(h, "/debug/pprof/"+path, "X-API-Key: the secret of pprof")
		if status != want || status == 200 && len(body) < 8 {
			t.Errorf("%s: %d with %d bytes, want %d", path, status, len(body), want)
		}
		name, _, _ := strings.Cut(path, "?")
		if logged := strings.Contains(log.String(), `msg="a profile is taken" profile=`) && strings.Contains(log.String(), `by="key pprof"`); logged != (want == 200 || name == "nonsense") {
			t.Errorf("%s: the log has %q", path, log)
		}
	}
	if status, _ := ask(h, "/debug/pprof", "X-API-Key: the secret of pprof"); status != 307 {
		t.Errorf("without a slash: %d", status)
	}
	for _, path := range []string{"/", "/metrics/", "/debug/", "/debug/pprofx"} {
		if status, _ := ask(h, path, "X-API-Key: the secret of full"); status != 404 {
			t.Errorf("%s does not go to the rest: %d", path, status)
		}
	}
}
