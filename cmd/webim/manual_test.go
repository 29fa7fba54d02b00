package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// update makes the tests write the generated parts of the manual, instead of comparing them:
// make docs sets it.
var update = flag.Bool("update", false, "write the generated parts of the manual")

// manualFolder is the folder of the manual's Markdown files.
const manualFolder = "../../web/docs/"

// compareManual compares the part of a file between two marks with want, or writes it.
func compareManual(t *testing.T, file, mark, want string) {
	t.Helper()
	text, err := os.ReadFile(manualFolder + file)
	if err != nil {
		t.Fatal(err)
	}
	begin, end := []byte("<!-- begin "+mark+", written by make docs -->\n"), []byte("<!-- end "+mark+" -->\n")
	head, rest, ok := bytes.Cut(text, begin)
	got, tail, ok2 := bytes.Cut(rest, end)
	switch {
	case !ok || !ok2:
		t.Fatalf("%s has no lines %s%s", file, begin, end)
	case *update:
		if err := os.WriteFile(manualFolder+file, slices.Concat(head, begin, []byte(want), end, tail), 0o644); err != nil {
			t.Fatal(err)
		}
	case string(got) != want:
		t.Errorf("the part %s of %s is not what the program says: run make docs", mark, file)
	}
}

// TestManualHasAllSettings compares the reference of the settings with their table.
func TestManualHasAllSettings(t *testing.T) {
	compareManual(t, "configuration.md", "settings", settingsManual(t))
	var rows strings.Builder
	rows.WriteString("| key | value | default | meaning |\n| --- | --- | --- | --- |\n")
	for _, s := range roomTable {
		if s.help == "" {
			t.Errorf("%s of an entry of rooms has no help", s.name)
		}
		fmt.Fprintf(&rows, "| `%s` | %s | %s | %s |\n", s.key(), valueOf(s), defaultOf(s), linked(s.help, nil))
	}
	compareManual(t, "rooms.md", "keys", rows.String())
}

// settingsManual is the reference: a section for each group, and in it one for each setting.
func settingsManual(t *testing.T) string {
	t.Helper()
	groups := map[string][]*setting{}
	var b strings.Builder
	for _, g := range groupTitles(t, groups) {
		fmt.Fprintf(&b, "## %s\n\n", strings.TrimSuffix(g.title, ":"))
		for _, s := range groups[g.key] {
			fmt.Fprintf(&b, "### %s\n\n", s.name)
			fmt.Fprintf(&b, "`--%s`, `%s`, `%s`. Value: %s. Default: %s.\n\n", s.name, s.env(), s.key(), valueOf(s), defaultOf(s))
			fmt.Fprintf(&b, "%s\n\n", linked(s.help, s))
		}
	}
	return b.String()
}

type group struct{ key, title string }

// groupTitles returns the groups as webim serve --help has them, and sorts the settings into
// groups.
func groupTitles(t *testing.T, into map[string][]*setting) (all []group) {
	t.Helper()
	var cli commands
	var helped bool
	parser := newParser(&cli, &bytes.Buffer{}, &bytes.Buffer{}, &helped)
	for _, node := range parser.Model.Children {
		if node.Name != "serve" {
			continue
		}
		for _, f := range node.Flags {
			s := lookup(f.Name, func(s *setting) string { return s.name })
			if s == nil {
				continue // --config
			}
			if f.Group == nil || f.Help == "" {
				t.Errorf("--%s has no group, or no help", f.Name)
				continue
			}
			g := group{f.Group.Key, f.Group.Title}
			if !slices.Contains(all, g) {
				all = append(all, g)
			}
			into[g.key] = append(into[g.key], s)
		}
	}
	n := 0
	for _, settings := range into {
		n += len(settings)
	}
	if n != len(table) {
		t.Errorf("%d of %d settings are in a group", n, len(table))
	}
	return all
}

// valueOf says how to write a value, with its bounds.
func valueOf(s *setting) string {
	names := map[string]string{
		"count": "a number", "size": "a size", "time": "a duration", "rate": "a rate", "flow": "a rate of bytes",
		"list": "a list", "text": "text", "secret": "text", "bool": "`true` or `false`", "rights": "roles for actions",
	}
	text := names[s.kind]
	if s.kind == "oneof" {
		text = "`" + strings.Join(s.oneOf, "`, `") + "`"
	}
	if s.min != "" {
		text += fmt.Sprintf(", `%s` to `%s`", s.min, s.max)
	}
	for _, word := range s.words {
		text += ", or `" + word + "`"
	}
	return text
}

func defaultOf(s *setting) string {
	code := func(text string) string {
		if text == "" {
			return "none"
		}
		return "`" + text + "`"
	}
	text := code(s.def)
	if s.dev != "" {
		text += ", with `--dev` `" + s.dev + "`"
	}
	return text
}

var (
	special  = regexp.MustCompile("[*_\\[\\]<>`|]")
	flagName = regexp.MustCompile(`--[a-z]+(-[a-z]+)*`)
)

// linked returns a help text as Markdown, with links from each flag that it names.
func linked(help string, self *setting) string {
	help = special.ReplaceAllString(help, `\$0`)
	return flagName.ReplaceAllStringFunc(help, func(flag string) string {
		s := lookup(strings.TrimPrefix(flag, "--"), func(s *setting) string { return s.name })
		if s == nil || s == self {
			return "`" + flag + "`"
		}
		page := ""
		if self == nil {
			page = "configuration.md"
		}
		return fmt.Sprintf("[`%s`](%s#%s)", flag, page, s.name)
	})
}
