package scenario

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"webim/bench/benchtest"
	"webim/bench/proc"
)

// The version of a server: webim prints it, another Go program contains it, and a shell has none.
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
	floor := benchtest.FloorCommand("127.0.0.1:0")
	for name, c := range map[string]struct {
		argv []string
		want string
	}{
		"webim":   {append(floor[:2:2], webim), "webim v0-test"},
		"another": {floor, "(" + runtime.Version() + ")"},
	} {
		s, _, err := proc.StartAnnounced(context.Background(), name, c.argv)
		if err != nil {
			t.Fatal(err)
		}
		if got := (proc.Process{PIDs: []int{s.PID()}}).Version(); !strings.HasSuffix(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
		s.Stop()
	}
	sh, err := proc.StartProcess([]string{"sh", "-c", "sleep 60"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := (proc.Process{PIDs: []int{sh.PID()}}).Version(); got != "" {
		t.Errorf("sh: %q", got)
	}
	sh.Stop()
}
