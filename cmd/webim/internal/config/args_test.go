package config

import (
	"testing"

	"github.com/alecthomas/kong"

	"webim/cmd/webim/internal/testargs"
)

// longSecret is a secret that is long enough.
const longSecret = "0123456789abcdef0123456789abcdef"

// parseFlags parses flags of a command that takes all settings, see testargs.WithEngine.
func parseFlags(t *testing.T, flags ...string) (*Flags, map[string]bool) {
	t.Helper()
	var f Flags
	parser, err := kong.New(&f, FlagOptions()...)
	if err != nil {
		t.Fatal(err)
	}
	ctx, err := parser.Parse(testargs.WithEngine(flags))
	if err != nil {
		t.Fatal(err)
	}
	return &f, GivenFlags(ctx)
}

// write makes a file.
var write = testargs.File
