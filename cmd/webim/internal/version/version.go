package version

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// Release is the version of webim. A test compares it with the changelog.
const Release = "0.1.0"

// Text returns the output of webim version: the version and, if the binary was built in
// a Git repository, the commit.
func Text() string {
	info, _ := debug.ReadBuildInfo()
	return describe(info)
}

// Build returns the version, the first bytes of the commit, and the version of Go. The commit is "unknown"
// if the binary was built outside of a Git repository.
func Build() (release, commit, goVersion string) {
	commit = "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				commit = fmt.Sprintf("%.12s", s.Value)
			}
		}
	}
	return Release, commit, runtime.Version()
}

// describe is Text for a binary with this build information, which may be nil.
func describe(info *debug.BuildInfo) string {
	text := "webim " + Release
	if info == nil {
		return text
	}
	var commit, date, changed string
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			commit = s.Value
		case s.Key == "vcs.time":
			date = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			changed = ", with changes"
		}
	}
	if commit != "" {
		text += fmt.Sprintf(" (commit %.12s of %.10s%s)", commit, date, changed)
	}
	return text + " " + info.GoVersion
}
