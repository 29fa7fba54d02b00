package probe

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"webim/netpoll/wstest"
)

// TestAsk asks servers on TCP, TLS and a Unix socket, which serve or do not.
func TestAsk(t *testing.T) {
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			<-r.Context().Done()
			return
		}
		if r.URL.Path != "/ready" {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		fmt.Fprintln(w, "about", r.URL.Path)
	})
	plain, secure := httptest.NewServer(h), httptest.NewTLSServer(h)
	defer plain.Close()
	defer secure.Close()
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	unix := &httptest.Server{Listener: l, Config: &http.Server{Handler: h}}
	unix.Start()
	defer unix.Close()
	_, port, _ := net.SplitHostPort(plain.Listener.Addr().String())
	for _, to := range []Target{{"tcp", plain.Listener.Addr().String(), false}, {"tcp", secure.Listener.Addr().String(), true}, {"unix", path, false}, {"tcp", ":" + port, false}, {"tcp", "0.0.0.0:" + port, false}} {
		if answer, err := Ask(t.Context(), to, "/ready", wstest.Patience); answer != "about /ready" || err != nil {
			t.Errorf("%v: %q, %v", to, answer, err)
		}
		if _, err := Ask(t.Context(), to, "/health", wstest.Patience); err == nil || !strings.Contains(err.Error(), "503 Service Unavailable: about /health") {
			t.Errorf("%v: %v", to, err)
		}
	}
	if _, err := Ask(t.Context(), Target{"tcp", plain.Listener.Addr().String(), false}, "/slow", 50*time.Millisecond); err == nil || !strings.Contains(err.Error(), "has not answered within 50ms") {
		t.Error(err)
	}
	if _, err := Ask(t.Context(), Target{"tcp", wstest.FreeAddr(t).String(), false}, "/ready", wstest.Patience); err == nil || !strings.Contains(err.Error(), "connection refused: start webim, or ") {
		t.Error(err)
	}
}
