package bench

import (
	"context"
	"debug/buildinfo"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"
)

// commit says what the client was built from: what the linker was told, else the commit that the Go command has written into the program. Programs that were built
// outside of a repository know neither.
func (c Config) commit() string {
	if c.Version != "" && c.Version != "dev" {
		return c.Version
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		if commit := revision(info); commit != "" {
			return commit
		}
	}
	return "unknown"
}

// revision is the commit in a program, as git describe writes it.
func revision(info *debug.BuildInfo) string {
	commit, dirty := "", ""
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			commit = s.Value[:min(12, len(s.Value))]
		case "vcs.modified":
			if s.Value == "true" {
				dirty = "-dirty"
			}
		}
	}
	if commit == "" {
		return ""
	}
	return commit + dirty
}

// version says what the server is: webim is asked, a Go program has it written in itself; of others nothing is known. The program is read through
// /proc, so it is the one that runs, even if another was built since.
func (p process) version() string {
	for _, pid := range p.pids {
		exe := fmt.Sprintf("/proc/%d/exe", pid)
		if name, err := os.Readlink(exe); err == nil && strings.TrimSuffix(filepath.Base(name), " (deleted)") == "webim" {
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			out, err := exec.CommandContext(ctx, exe, "version").Output()
			cancel()
			if text := strings.TrimSpace(string(out)); err == nil && text != "" && len(text) < 200 && !strings.Contains(text, "\n") {
				return text
			}
		}
		if info, err := buildinfo.ReadFile(exe); err == nil {
			return strings.Join(strings.Fields(fmt.Sprintf("%s %s (%s)", info.Path, revision(info), info.GoVersion)), " ")
		}
	}
	return ""
}
