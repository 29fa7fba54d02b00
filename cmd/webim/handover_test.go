package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestProgramPath checks what an operator learns of a program that cannot be started again.
func TestProgramPath(t *testing.T) {
	path := filepath.Join(t.TempDir(), "webim")
	for _, want := range []string{"no such file or directory", "permission denied"} {
		_, err := programPath(path)
		if err == nil || !strings.HasPrefix(err.Error(), "the program was started as "+path+", and cannot be started so again: ") || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
