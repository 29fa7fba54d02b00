package main

import (
	"os"
	"testing"

	"webim/cmd/webim/internal/config"
	"webim/cmd/webim/internal/testargs"
)

// parseFlags parses flags of serve or check, see testargs.WithEngine.
func parseFlags(t *testing.T, flags ...string) (*config.Flags, map[string]bool) {
	t.Helper()
	flags = testargs.WithEngine(flags)
	var cli commands
	var helped bool
	args := append([]string{"check"}, flags...)
	ctx, err := newParser(&cli, args, os.Stdout, os.Stderr, &helped).Parse(args)
	if err != nil {
		t.Fatal(err)
	}
	return &cli.Check, config.GivenFlags(ctx)
}

// write makes a file.
var write = testargs.File
