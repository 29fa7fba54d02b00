package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"webim/cmd/webim/internal/config"
	"webim/cmd/webim/internal/testcert"
	"webim/netpoll/wstest"
)

// logLines collects the log lines of a program.
type logLines struct{ wstest.Log }

// warnings are the messages of the lines at level WARN.
func (l *logLines) warnings(t *testing.T) (all []string) {
	t.Helper()
	for _, line := range l.Lines() {
		var entry struct{ Level, Msg string }
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatal(err)
		}
		if entry.Level == "WARN" {
			all = append(all, entry.Msg)
		}
	}
	return all
}

// check prints each warning that serve logs at start, in the same words.
func TestCheckSaysWhatServeSays(t *testing.T) {
	expired, expiredKey := testcert.New(t, -2*time.Hour, -time.Hour, "chat.example")
	cert, key := write(t, "cert.pem", expired), write(t, "key.pem", expiredKey)
	unusable := write(t, "webim.yaml", "rooms:\n  - {match: news, allow: {join: user, read: user}}\n  - {match: \"#*\", allow: {}}\n")
	for _, c := range []struct {
		flags string
		env   []string
		least int // warnings
	}{
		{"", nil, 1},
		{"--open", []string{"WEBIM_MAX_CONN=3", "WEBIM_PORT=1", "WEBIM_CONFIG="}, 3},
		{"--open --max-conns 4000000", nil, 2},
		{"--open --tls-cert " + cert + " --tls-key " + key + " --tls-listen 127.0.0.1:0", nil, 3},
		{"--hook-connect http://127.0.0.1:1/", nil, 1},
		{"--internal 0.0.0.0:0 --api-key 0123456789abcdef", nil, 2},
		{"--token-secret short --insecure", nil, 1},
		{"--config " + unusable, []string{"WEBIM_TOKEN_SECRET=" + longSecret}, 3},
		{"--dev", nil, 0},
	} {
		args := append(strings.Fields(c.flags), "--listen", "127.0.0.1:0", "--log-format", "json")
		command, given := parseFlags(t, args...)
		cfg, err := config.Load(&command.Settings, given, c.env, command.Config)
		if err != nil {
			t.Fatalf("%s: %v", c.flags, err)
		}
		var lines logLines
		p := newProgram(cfg, &lines)
		if err := p.start(); err != nil {
			t.Fatalf("%s: %v", c.flags, err)
		}
		said := lines.warnings(t)
		p.stop()
		if len(said) < c.least {
			t.Errorf("%s: serve warns of %q, want %d at least", c.flags, said, c.least)
		}
		code, out, errs := webim("", c.env, append([]string{"check"}, args...)...)
		for _, warning := range said {
			if !strings.Contains(out, "# warning: "+warning+"\n") {
				t.Errorf("%s: check, which ends with %d, does not say %q\n%s", c.flags, code, warning, errs)
			}
		}
	}
}
