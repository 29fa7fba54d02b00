// Package manual reads the code blocks of the manual and of the README, for the tests that run
// them.
package manual

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A Block is a fenced code block of a Markdown file.
type Block struct {
	Place string // file and line of the first line of code, for errors
	File  string // the name without the folder
	Lang  string // the first word behind the fence
	Text  string // the code
}

// Blocks returns the blocks of all files, in their order. With languages, it returns only blocks
// in one of them. root is the repository's root. Generated parts count as well.
func Blocks(t testing.TB, root string, languages ...string) (all []Block) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "web/docs/*.md"))
	if err != nil || len(files) < 10 {
		t.Fatalf("only %d files of the manual are found: %v", len(files), err)
	}
	for _, file := range append(files, filepath.Join(root, "README.md")) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range blocksOf(filepath.Base(file), string(text)) {
			if len(languages) == 0 || slices.Contains(languages, b.Lang) {
				all = append(all, b)
			}
		}
	}
	return all
}

func blocksOf(file, text string) (all []Block) {
	var open *Block
	number := 0
	for line := range strings.Lines(text) {
		number++
		fence, ok := strings.CutPrefix(line, "```")
		switch {
		case ok && open == nil:
			lang, _, _ := strings.Cut(strings.TrimSpace(fence), " ")
			open = &Block{Place: fmt.Sprintf("%s:%d", file, number+1), File: file, Lang: lang}
		case ok:
			all = append(all, *open)
			open = nil
		case open != nil:
			open.Text += line
		}
	}
	return all
}
