package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestUnusedWarnings checks the warnings of settings that others switch off, and that there is none while a setting has an effect.
func TestUnusedWarnings(t *testing.T) {
	for _, c := range []struct{ flags, rooms, want string }{
		{flags: "--engine memory"},
		{flags: "--dev"},
		{flags: "--data d"},
		{flags: "--engine memory --ping-interval none"},
		{flags: "--engine memory --ping-interval none --pong-timeout 1s", want: "--pong-timeout has no effect, because --ping-interval is none"},
		{flags: "--engine memory --no-deflate --deflate-min 1KiB", want: "--deflate-min has no effect, because --deflate is false"},
		{flags: "--engine memory --max-tls-handshakes 9", want: "--max-tls-handshakes has no effect, because --tls-listen names no address"},
		{flags: "--engine memory --dev --max-tls-handshakes 9"},
		{flags: "--engine memory --history-messages none --history-bytes 2MiB", want: "--history-bytes has no effect, because --history-messages is none"},
		{flags: "--engine memory --history-messages none --history-total 1GiB", want: "--history-total has no effect, because --history-messages is none, and the section rooms has no history"},
		{flags: "--engine memory --history-messages none --history-total 1GiB", rooms: "history: 100"},
		{flags: "--engine memory --history-messages none --history-age 1h"},
		{flags: "--data d --history-messages none"},
		{flags: "--data d --history-messages none --history-age 1h", rooms: "history: 100"},
		{flags: "--data d --history-messages none --history-age 1h", rooms: "{history: 100, history_age: 2h}",
			want: "--history-age has no effect, because --history-messages is none, and no history of the section rooms has its age from there"},
		{flags: "--engine memory", rooms: "history_age: 2h"},
		{flags: "--data d", rooms: "history_age: 2h", want: `FILE:2: rooms: history_age of "a" has no effect, because the rooms have no history, and the engine is embedded`},
		{flags: "--engine memory --open", rooms: "history: 1"},
		{flags: "--engine memory --open", rooms: "match: \"*\"", want: `--open has no effect, because rooms has the entry "*" for all rooms`},
	} {
		file, text := filepath.Join(t.TempDir(), "webim.yaml"), "rooms:\n  - match: a\n"
		for line := range strings.SplitSeq(strings.Trim(c.rooms, "{}"), ", ") {
			if strings.HasPrefix(line, "match") {
				text = "rooms:\n  - " + line + "\n"
			} else {
				text += "    " + line + "\n"
			}
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		command, given := parseFlags(t, strings.Fields(c.flags)...)
		cfg, err := Load(&command.Settings, given, nil, file)
		if err != nil {
			t.Errorf("%s, %s: %v", c.flags, c.rooms, err)
			continue
		}
		var want []string
		if c.want != "" {
			want = []string{strings.ReplaceAll(c.want, "FILE", file)}
		}
		if got := cfg.unusedWarnings(); !slices.Equal(got, want) {
			t.Errorf("%s, %s: %q, want %q", c.flags, c.rooms, got, want)
		}
	}
}
