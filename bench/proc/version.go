package proc

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

// Revision returns the commit from which a program was built, in the form of git describe.
func Revision(info *debug.BuildInfo) string {
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

// Version describes the server's version: the output of webim version, or the build information in a Go program. For other
// programs it is empty. It reads the program through /proc/PID/exe, which is the running program even if another one was
// built since.
func (p Process) Version() string {
	for _, pid := range p.PIDs {
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
			return strings.Join(strings.Fields(fmt.Sprintf("%s %s (%s)", info.Path, Revision(info), info.GoVersion)), " ")
		}
	}
	return ""
}
