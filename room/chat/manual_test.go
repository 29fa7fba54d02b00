package chat

import (
	"bytes"
	"flag"
	"os"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the generated part of the manual: make docs sets it")

const chatManual = "../../web/docs/chat.md"

// TestManualHasAllCalls checks that the manual has a row for each call, and the examples of
// doc.go, which run as a test.
func TestManualHasAllCalls(t *testing.T) {
	text, err := os.ReadFile(chatManual)
	if err != nil {
		t.Fatal(err)
	}
	for name := range methods {
		if !bytes.Contains(text, []byte("\n| `"+name+"` | ")) {
			t.Errorf("chat.md has no row for the call %s", name)
		}
	}
	begin, end := []byte("<!-- begin examples, written by make docs -->\n"), []byte("<!-- end examples -->\n")
	head, rest, ok := bytes.Cut(text, begin)
	got, tail, ok2 := bytes.Cut(rest, end)
	want := examplesAsMarkdown(t)
	switch {
	case !ok || !ok2:
		t.Fatalf("chat.md has no lines %s%s", begin, end)
	case *update:
		if err := os.WriteFile(chatManual, slices.Concat(head, begin, []byte(want), end, tail), 0o644); err != nil {
			t.Fatal(err)
		}
	case string(got) != want:
		t.Error("the examples in chat.md are not those of doc.go: run make docs")
	}
}

// examplesAsMarkdown returns the examples of doc.go, without the paragraph before the first one.
func examplesAsMarkdown(t *testing.T) string {
	t.Helper()
	source, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	_, after, ok := strings.Cut(string(source), "// # Examples\n//\n")
	after, _, ok2 := strings.Cut(after, "package chat\n")
	_, after, ok3 := strings.Cut(after, "\n//\n")
	if !ok || !ok2 || !ok3 {
		t.Fatal("doc.go has no examples")
	}
	var b strings.Builder
	code := false
	for line := range strings.Lines(after) {
		line = strings.TrimPrefix(line, "//")
		example, ok := strings.CutPrefix(line, "\t")
		if ok != code {
			b.WriteString("```" + map[bool]string{true: "text"}[ok] + "\n")
		}
		code = ok
		if ok {
			b.WriteString(example)
		} else if ended := strings.TrimPrefix(line, " "); ended != "\n" || !strings.HasSuffix(b.String(), "\n\n") {
			b.WriteString(ended)
		}
	}
	if code {
		b.WriteString("```\n")
	}
	return b.String()
}
