package bench

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// What is known of a server's version: webim says it, another Go program has it in itself, a shell has none.
func TestServerVersion(t *testing.T) {
	t.Parallel()
	webim := filepath.Join(t.TempDir(), "webim")
	program, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(webim, program, 0o755); err != nil {
		t.Fatal(err)
	}
	floor := floorCommand("127.0.0.1:0")
	for name, c := range map[string]struct {
		argv []string
		want string
	}{
		"webim":   {append(floor[:2:2], webim), "webim v0-test"},
		"another": {floor, "(" + runtime.Version() + ")"},
	} {
		s, _, err := startAnnounced(context.Background(), name, c.argv)
		if err != nil {
			t.Fatal(err)
		}
		if got := (process{[]int{s.PID()}}).version(); !strings.HasSuffix(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
		s.Stop()
	}
	sh, err := startProcess([]string{"sh", "-c", "sleep 60"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := (process{[]int{sh.PID()}}).version(); got != "" {
		t.Errorf("sh: %q", got)
	}
	sh.Stop()
}

func TestClientCommit(t *testing.T) {
	t.Parallel()
	if got := (Config{Version: "v1.2"}).commit(); got != "v1.2" {
		t.Errorf("%q", got)
	}
	if got := (Config{Version: "dev"}).commit(); got == "" || got == "dev" {
		t.Errorf("%q", got)
	}
}
