package wstest

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	typeLine  = regexp.MustCompile(`^type (\w+)(\[.*\])? struct \{`)
	mutexLine = regexp.MustCompile(`^\t(\w+)\s+sync\.(RW)?Mutex`)
)

// LockOrder fails the test if the section "# Lock order" of the doc.go in the working
// folder does not name each mutex that a struct of the folder's package has as a field,
// as Type.field. Whoever adds a mutex says there what is locked under it.
func LockOrder(t *testing.T) {
	t.Helper()
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	_, order, _ := strings.Cut(string(doc), "# Lock order")
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, mutex := range mutexes(string(source)) {
			if !strings.Contains(order, mutex) {
				t.Errorf("%s: doc.go says nothing of %s", file, mutex)
			}
		}
	}
}

// mutexes lists the mutexes of a source file, as Type.field.
func mutexes(source string) (all []string) {
	owner := ""
	for line := range strings.Lines(source) {
		if m := typeLine.FindStringSubmatch(line); m != nil {
			owner = m[1]
		}
		if m := mutexLine.FindStringSubmatch(line); m != nil {
			all = append(all, owner+"."+m[1])
		}
	}
	return all
}
