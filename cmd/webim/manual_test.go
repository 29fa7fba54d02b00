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

	"webim/cmd/webim/internal/config"
	"webim/cmd/webim/internal/roomsfile"
	"webim/cmd/webim/internal/setting"
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
	for _, s := range roomsfile.Table {
		if s.Help == "" {
			t.Errorf("%s of an entry of rooms has no help", s.Name)
		}
		fmt.Fprintf(&rows, "| `%s` | %s | %s | %s |\n", s.Key(), valueOf(s), defaultOf(s), linked(s.Help, nil))
	}
	compareManual(t, "rooms.md", "keys", rows.String())
	compareManual(t, "production.md", "exceptions", "- "+strings.Join(config.Exceptions(), ";\n- ")+".\n")
}

// settingsManual is the reference: a section for each group, and in it one for each setting.
func settingsManual(t *testing.T) string {
	t.Helper()
	groups := map[string][]*setting.Setting{}
	var b strings.Builder
	for _, g := range groupTitles(t, groups) {
		fmt.Fprintf(&b, "## %s\n\n", strings.TrimSuffix(g.title, ":"))
		for _, s := range groups[g.key] {
			fmt.Fprintf(&b, "### %s\n\n", s.Name)
			fmt.Fprintf(&b, "`--%s`, `%s`, `%s`. Value: %s. Default: %s.\n\n", s.Name, s.Env(), s.Key(), valueOf(s), defaultOf(s))
			fmt.Fprintf(&b, "%s %s\n\n", linked(s.Help, s), reloadingOf(s.Key()))
		}
	}
	return b.String()
}

// reloadingOf says how a running server takes over a new value.
func reloadingOf(key string) string {
	return strings.NewReplacer("RELOAD", "[A reload](production.md#reloading)", "UPGRADE", "[an upgrade](upgrade.md)", "RESTART", "[a restart](production.md#stopping-and-restarting)").
		Replace(config.Reloading(key))
}

type group struct{ key, title string }

// groupTitles returns the groups as webim serve --help has them, and sorts the settings into
// groups.
func groupTitles(t *testing.T, into map[string][]*setting.Setting) (all []group) {
	t.Helper()
	var cli commands
	var helped bool
	parser := newParser(&cli, []string{"serve"}, &bytes.Buffer{}, &bytes.Buffer{}, &helped)
	for _, node := range parser.Model.Children {
		if node.Name != "serve" {
			continue
		}
		for _, f := range node.Flags {
			s := config.Lookup(f.Name, func(s *setting.Setting) string { return s.Name })
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
	if n != len(config.Table) {
		t.Errorf("%d of %d settings are in a group", n, len(config.Table))
	}
	return all
}

// valueOf says how to write a value, with its bounds.
func valueOf(s *setting.Setting) string {
	names := map[string]string{
		"count": "a number", "size": "a size", "time": "a duration", "rate": "a rate", "flow": "a rate of bytes",
		"list": "a list", "text": "text", "secret": "text", "bool": "`true` or `false`", "rights": "roles for actions",
	}
	text := names[s.Kind]
	if s.Kind == "oneof" {
		text = "`" + strings.Join(s.OneOf, "`, `") + "`"
	}
	if s.Min != "" {
		text += fmt.Sprintf(", `%s` to `%s`", s.Min, s.Max)
	}
	for _, word := range s.Words {
		text += ", or `" + word + "`"
	}
	return text
}

func defaultOf(s *setting.Setting) string {
	code := func(text string) string {
		if text == "" {
			return "none"
		}
		return "`" + text + "`"
	}
	text := code(s.Def)
	if s.Dev != "" {
		text += ", with `--dev` `" + s.Dev + "`"
	}
	if s.Durable != "" {
		text += ", with the engines `embedded` and `nats` `" + s.Durable + "`"
	}
	return text
}

var (
	special  = regexp.MustCompile("[*_\\[\\]<>`|]")
	flagName = regexp.MustCompile(`--[a-z]+(-[a-z]+)*`)
)

// linked returns a help text as Markdown, with links from each flag that it names.
func linked(help string, self *setting.Setting) string {
	help = special.ReplaceAllString(help, `\$0`)
	return flagName.ReplaceAllStringFunc(help, func(flag string) string {
		s := config.Lookup(strings.TrimPrefix(flag, "--"), func(s *setting.Setting) string { return s.Name })
		if s == nil || s == self {
			return "`" + flag + "`"
		}
		page := ""
		if self == nil {
			page = "configuration.md"
		}
		return fmt.Sprintf("[`%s`](%s#%s)", flag, page, s.Name)
	})
}
