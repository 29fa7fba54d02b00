package config

import (
	"testing"
	"time"
	"webim/cmd/webim/internal/setting"
)

// TestFilesAreReserved checks that the limit of open files must suffice for the clients, for the hooks
// and for the internal listener together.
func TestFilesAreReserved(t *testing.T) {
	hooks := Settings{HookConnect: "http://h", HookPublish: "http://h", HookDisconnect: "http://h", HookConcurrency: 256, Internal: "127.0.0.1:1"}
	for _, tt := range []struct {
		name     string
		settings Settings
		limit    uint64
		warns    bool
	}{
		{"none", Settings{}, 1024, false}, {"hooks", hooks, 1024, false}, {"hooks", hooks, 900, true},
		{"fixed", Settings{MaxConns: 1000}, 1024, true}, {"fixed", Settings{MaxConns: 960}, 1024, false},
	} {
		c := &Config{Settings: tt.settings}
		if got := c.fileWarnings(tt.limit); (len(got) > 0) != tt.warns {
			t.Errorf("%s of %d: %q", tt.name, tt.limit, got)
		}
	}
}

func TestSessionPings(t *testing.T) {
	for _, one := range []struct{ interval, timeout, wantInterval, wantTimeout time.Duration }{
		{25 * time.Second, 10 * time.Second, 25 * time.Second, 10 * time.Second},
		{setting.None, 10 * time.Second, -1, -1},
		{time.Second, 10 * time.Second, time.Second, 800 * time.Millisecond},
		{time.Millisecond, time.Millisecond, 100 * time.Millisecond, time.Millisecond},
	} {
		c := Config{Settings: Settings{PingInterval: one.interval, PongTimeout: one.timeout}}
		if interval, timeout := c.sessionPings(); interval != one.wantInterval || timeout != one.wantTimeout {
			t.Errorf("%v and %v: %v and %v", one.interval, one.timeout, interval, timeout)
		}
	}
}
