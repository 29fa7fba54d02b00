package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestManualHasAllLogLines checks that the manual explains each log line of the server. It reads
// the source: every call of a method Debug, Info, Warn or Error with a text as its first argument.
func TestManualHasAllLogLines(t *testing.T) {
	text, err := os.ReadFile(manualFolder + "troubleshooting.md")
	if err != nil {
		t.Fatal(err)
	}
	_, lines, ok := strings.Cut(string(text), "\n## Log lines\n")
	if !ok {
		t.Fatal("troubleshooting.md has no section Log lines")
	}
	// In the manual … and NAME stand for the parts that are not constant.
	lines = strings.NewReplacer("NAME", "\x00", "…", "\x00").Replace(lines)
	found := 0
	for _, folder := range []string{".", "../../netpoll", "../../room", "../../web"} {
		for _, message := range logMessages(t, folder) {
			found++
			for _, part := range message {
				if !strings.Contains(lines, "`"+part) && !strings.Contains(lines, part+"`") && !strings.Contains(lines, "\x00"+part) {
					t.Errorf("troubleshooting.md does not explain the log line %q (%q)", strings.Join(message, "…"), part)
				}
			}
		}
	}
	if found < 40 {
		t.Errorf("only %d log lines are found in the source", found)
	}
}

// logMessages returns the constant parts of the messages below a folder, without those of the
// packages for tests.
func logMessages(t *testing.T, folder string) (all [][]string) {
	t.Helper()
	err := filepath.WalkDir(folder, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.Contains(path, "wstest") || strings.Contains(path, "enginetest") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if parts := logMessage(n); len(parts) > 0 {
				all = append(all, parts)
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// logMessage returns the constant parts of the first argument if n is such a call.
func logMessage(n ast.Node) (parts []string) {
	call, ok := n.(*ast.CallExpr)
	if !ok || len(call.Args) == 0 {
		return nil
	}
	method, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return nil
	}
	switch method.Sel.Name {
	case "Debug", "Info", "Warn", "Error":
	default:
		return nil
	}
	ast.Inspect(call.Args[0], func(n ast.Node) bool {
		if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			if text, err := strconv.Unquote(lit.Value); err == nil && len(text) > 3 && !strings.HasSuffix(text, "the ") && !strings.HasSuffix(text, "a ") {
				parts = append(parts, text)
			}
		}
		return true
	})
	return parts
}
