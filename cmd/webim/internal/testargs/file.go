package testargs

import (
	"os"
	"path/filepath"
	"testing"
)

// File makes a file with a text in a folder of its own, which is removed after the test, and returns its path.
func File(t *testing.T, name, text string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
