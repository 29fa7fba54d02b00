package initial

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestWrite writes a configuration and fresh secrets that only the user may read, and nothing if a file exists.
func TestWrite(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "it's new", "webim")
	secrets := map[string]bool{}
	for range 2 {
		paths, err := Write(folder, "/var/lib/webim")
		if err != nil {
			t.Fatal(err)
		}
		for i, path := range paths {
			info, err := os.Stat(path)
			if err != nil || info.Mode() != 0o600 {
				t.Errorf("%s: %v, %v", path, info.Mode(), err)
			}
			b, _ := os.ReadFile(path)
			if i > 0 && !regexp.MustCompile(`^[0-9a-f]{64}\n$`).Match(b) {
				t.Errorf("%s is %q", path, b)
			}
			if i == 0 && !strings.Contains(string(b), "data: '/var/lib/webim'\n") || strings.Contains(string(b), "_FILE") {
				t.Errorf("%s is %s", path, b)
			}
			secrets[string(b)] = true
		}
		for _, keep := range paths {
			for _, path := range paths {
				if path != keep {
					_ = os.Remove(path)
				}
			}
			before, _ := os.ReadFile(keep)
			if _, err := Write(folder, "/data"); err == nil || !strings.Contains(err.Error(), keep+" exists already") {
				t.Errorf("beside %s: %v", keep, err)
			}
			if after, _ := os.ReadFile(keep); string(after) != string(before) {
				t.Errorf("%s is overwritten", keep)
			}
			if entries, _ := os.ReadDir(folder); len(entries) != 1 {
				t.Errorf("beside %s: %d files", keep, len(entries))
			}
			_ = os.Remove(keep)
			if _, err := Write(folder, "/data"); err != nil {
				t.Fatal(err)
			}
		}
		_ = os.RemoveAll(folder)
	}
	if len(secrets) != 5 {
		t.Errorf("%d different files, want 5: one configuration and four secrets", len(secrets))
	}
}

// TestWriteFails leaves nothing behind where it cannot write.
func TestWriteFails(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if paths, err := Write(filepath.Join(file, "webim"), "/data"); err == nil {
		t.Errorf("written: %v", paths)
	}
}
