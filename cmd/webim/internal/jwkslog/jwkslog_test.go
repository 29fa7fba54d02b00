package jwkslog

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"webim/room/token"
)

// The log has one line for each fault of the JWKS, and one when the fault is over.
func TestJWKSFailuresAreLogged(t *testing.T) {
	var mu sync.Mutex
	var serve http.HandlerFunc
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		serve(w, r)
	}))
	t.Cleanup(s.Close)
	says := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) }
	}
	for name, c := range map[string]struct {
		serve http.HandlerFunc
		want  string
	}{
		"a redirect": {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/x", http.StatusFound) }, "redirects"},
		"500":        {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, "status 500"},
		"HTML":       {says("<html>"), "not a JSON object"},
		"nothing":    {says(""), "not a JSON object"},
		"no keys":    {says(`{"keys":[]}`), "none of its keys"},
		"a cut":      {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "cannot be fetched"},
	} {
		mu.Lock()
		serve = c.serve
		mu.Unlock()
		var out strings.Builder
		log := &Log{}
		log.Start(slog.New(slog.NewTextHandler(&out, nil)))
		fetch := func() {
			v, err := token.New(token.Config{JWKS: s.URL, Report: log.Failed, Recovered: log.Recovered})
			if err != nil {
				t.Fatal(err)
			}
			done := make(chan error, 1)
			v.Connection("eyJhbGciOiJFZERTQSIsImtpZCI6ImEifQ.e30.AAAA", func(_ *token.Identity, err error) { done <- err })
			<-done
			v.Close()
		}
		fetch()
		fetch() // the same again is no news
		if got := out.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, c.want) || !strings.Contains(got, "see=token_jwks") {
			t.Errorf("%s: the log: %s", name, got)
		}
		log.Recovered()
		log.Recovered()
		if got := out.String(); strings.Count(got, "\n") != 2 || !strings.Contains(got, "are fetched again") {
			t.Errorf("%s, then keys: the log: %s", name, got)
		}
	}
}
