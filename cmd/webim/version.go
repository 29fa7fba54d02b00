package main

import (
	"fmt"
	"runtime/debug"
)

// release is the version of webim. A test compares it with the changelog.
const release = "0.1.0"

// versionText returns the output of webim version: the version and, if the binary was built in
// a Git repository, the commit.
func versionText() string {
	info, _ := debug.ReadBuildInfo()
	return describeBuild(info)
}

// describeBuild is versionText for a binary with this build information, which may be nil.
func describeBuild(info *debug.BuildInfo) string {
	text := "webim " + release
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
