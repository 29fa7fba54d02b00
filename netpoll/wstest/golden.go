package wstest

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// Golden returns the file testdata/NAME.golden of a package, and fails the test if want has other bytes. With WEBIM_GOLDEN
// in the environment it writes the file first.
func Golden(t testing.TB, name string, want []byte) []byte {
	t.Helper()
	file := filepath.Join("testdata", name+".golden")
	if os.Getenv("WEBIM_GOLDEN") != "" {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("this program writes another format than %s", file)
	}
	return got
}
