// Package testargs completes the command lines of tests, and makes the files that they name.
package testargs

import (
	"slices"
	"strings"
)

// WithEngine adds the memory engine to the flags of serve or check, unless they say where messages are
// kept: most tests need no store.
func WithEngine(flags []string) []string {
	for _, flag := range flags {
		if name, _, _ := strings.Cut(flag, "="); slices.Contains([]string{"--dev", "--engine", "--data", "--nats"}, name) {
			return flags
		}
	}
	return append([]string{"--engine", "memory"}, flags...)
}

// Complete is WithEngine for a command line that may be serve or check.
func Complete(args []string) []string {
	if len(args) == 0 || args[0] != "serve" && args[0] != "check" || slices.Contains(args, "--help") {
		return args
	}
	return append(args[:1:1], WithEngine(args[1:])...)
}
