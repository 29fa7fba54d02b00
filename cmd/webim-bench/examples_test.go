package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"webim/cmd/internal/manual"
)

var word = regexp.MustCompile(`'[^']*'|"[^"]*"|\S+`)

// TestExampleCommands parses the flags of the commands in the manual.
func TestExampleCommands(t *testing.T) {
	blocks := manual.Blocks(t, "../..", "sh")
	t.Chdir(t.TempDir())
	for _, name := range []string{"before.json", "after.json"} { // compare wants them to exist
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	parsed := 0
	for _, b := range blocks {
		for line := range strings.Lines(b.Text) {
			words := word.FindAllString(strings.TrimSpace(line), -1)
			if len(words) == 0 || filepath.Base(words[0]) != "webim-bench" {
				continue
			}
			for i := range words {
				words[i] = strings.Trim(words[i], `'"`)
			}
			var cli commands
			parser, err := kong.New(&cli, kong.Exit(func(int) {}))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := parser.Parse(words[1:]); err != nil {
				t.Errorf("%s: %s: %v", b.Place, strings.TrimSpace(line), err)
			}
			parsed++
		}
	}
	if parsed < 5 {
		t.Errorf("only %d commands", parsed)
	}
}
