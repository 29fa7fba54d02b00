package version

import (
	"os"
	"regexp"
	"runtime/debug"
	"testing"
)

func TestVersionOfTheChangelog(t *testing.T) {
	text, err := os.ReadFile("../../../../web/docs/changelog.md")
	if err != nil {
		t.Fatal(err)
	}
	first := regexp.MustCompile(`(?m)^## ([0-9.]+)`).FindSubmatch(text)
	if first == nil || string(first[1]) != Release {
		t.Errorf("the first version in changelog.md is %q, and webim says %q", first, Release)
	}
}

func TestDescribeBuild(t *testing.T) {
	for _, c := range []struct {
		info *debug.BuildInfo
		want string
	}{
		{nil, "webim " + Release},
		{&debug.BuildInfo{GoVersion: "go1.26.8"}, "webim " + Release + " go1.26.8"},
		{&debug.BuildInfo{GoVersion: "go1.26.8", Settings: []debug.BuildSetting{
			{Key: "vcs.revision", Value: "993f2881234567890"}, {Key: "vcs.time", Value: "2026-11-29T04:35:00Z"}, {Key: "vcs.modified", Value: "false"},
		}}, "webim " + Release + " (commit 993f28812345 of 2026-11-29) go1.26.8"},
		{&debug.BuildInfo{GoVersion: "go1.26.8", Settings: []debug.BuildSetting{
			{Key: "vcs.revision", Value: "993f2881234567890"}, {Key: "vcs.time", Value: "2026-11-29T04:35:00Z"}, {Key: "vcs.modified", Value: "true"},
		}}, "webim " + Release + " (commit 993f28812345 of 2026-11-29, with changes) go1.26.8"},
	} {
		if got := describe(c.info); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}
