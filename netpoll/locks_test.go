package netpoll

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestLockOrderNamesEachMutex: whoever adds a mutex says in doc.go what is locked under it.
func TestLockOrderNamesEachMutex(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	_, order, _ := strings.Cut(string(doc), "# Lock order")
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	owner, field := regexp.MustCompile(`^type (\w+) struct \{`), regexp.MustCompile(`^\t(\w+)\s+sync\.(RW)?Mutex`)
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := ""
		for line := range strings.Lines(string(source)) {
			if m := owner.FindStringSubmatch(line); m != nil {
				name = m[1]
			}
			if m := field.FindStringSubmatch(line); m != nil && !strings.Contains(order, name+"."+m[1]) {
				t.Errorf("%s: doc.go says nothing of %s.%s", file, name, m[1])
			}
		}
	}
}
