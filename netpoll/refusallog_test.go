package netpoll_test

import (
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"webim/netpoll"
	"webim/netpoll/wstest"
)

// TestRefusalsAreLogged: of each reason there is one line with the setting to look at,
// however often it comes, and never with a text of the client.
func TestRefusalsAreLogged(t *testing.T) {
	for name, c := range map[string]struct {
		request []byte
		status  int
		want    []string
	}{
		"origin":         {wstest.Upgrade("Origin: https://elsewhere.example"), http.StatusForbidden, []string{"is refused: origin", "--allow-origin"}},
		"head too large": {wstest.Upgrade("Cookie: " + strings.Repeat("secret", 4000)), http.StatusRequestHeaderFieldsTooLarge, []string{"is refused: head too large", "--max-head"}},
		"not HTTP":       {[]byte("\x16\x03\x01 no request\r\n\r\n"), http.StatusBadRequest, []string{"is refused: not http", "TLS"}},
		"PROXY protocol": {[]byte("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n\r\n"), http.StatusBadRequest, []string{"is refused: PROXY protocol", "--proxy"}},
		"the client's":   {wstest.Upgrade("Sec-WebSocket-Version: 12"), http.StatusUpgradeRequired, []string{"is refused: websocket version", "level=INFO"}}, // needs no attention
	} {
		t.Run(name, func(t *testing.T) {
			var out wstest.Log
			_, addr := start(t, netpoll.Config{Logger: slog.New(slog.NewTextHandler(&out, nil))}, echo())
			for range 5 {
				k := wstest.Dial(t, addr)
				k.SendBytes(c.request)
				if got := k.Response().StatusCode; got != c.status {
					t.Fatalf("%d, want %d", got, c.status)
				}
			}
			log := out.String()
			if got := strings.Count(log, "\n"); got != 1 {
				t.Errorf("%d lines, want 1: %s", got, log)
			}
			for _, want := range append(c.want, "127.0.0.1:") {
				if !strings.Contains(log, want) {
					t.Errorf("the line has no %q: %s", want, log)
				}
			}
			if strings.Contains(log, "secret") {
				t.Errorf("the line has the client's text: %s", log)
			}
		})
	}
}
