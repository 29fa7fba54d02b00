package hooks

import (
	"log/slog"
	"strings"
	"testing"

	"webim/netpoll/wstest"
	"webim/room/backend"
)

// TestRefusingHooksAreLogged checks that clients that the backend refuses, and backends without
// a valid reply, leave one log line, however often they come.
func TestRefusingHooksAreLogged(t *testing.T) {
	b := newBackend(t)
	for answer, want := range map[string]string{
		`{"error":{"code":403,"message":"not you"}}`:             `msg="the hook connect refuses a client" hook=connect reason="not you"`,
		`{"disconnect":{"code":4500,"reason":"stay away"}}`:      `reason="stay away"`,
		`{"status":"denied"}`:                                    `msg="the hook connect got no valid reply" hook=connect`,
		`{"result":{"user":"a"},"error":{"code":1}}`:             "see=\"hook_connect, hook_timeout\"",
		`{"result":{"user":"a"},"Error":{"code":403}}`:           "differs from",
		`{"result":{"user":"` + strings.Repeat("x", 300) + `"}}`: "user is not a valid name",
	} {
		b.on("/connect", answer)
		var log wstest.Log
		hooks := New(Config{URLs: urls(b.URL, backend.HookConnect), Timeout: wstest.Patience, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		for range 3 {
			done := make(chan error)
			hooks.Ask(backend.Request{Hook: backend.HookConnect}, func(_ backend.Reply, err error) { done <- err })
			if err := <-done; err == nil {
				t.Errorf("%s is a yes", answer)
			}
		}
		hooks.Close(t.Context())
		if text := log.String(); len(log.Lines()) != 1 || !strings.Contains(text, want) {
			t.Errorf("%s: want one line with %s, got %s", answer, want, text)
		}
	}
}
