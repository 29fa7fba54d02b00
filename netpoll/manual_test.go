package netpoll

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestManualHasAllRefusals checks that the manual names each reason to refuse a handshake, and
// each reason and code of a Close frame that this package sends by itself.
func TestManualHasAllRefusals(t *testing.T) {
	text, err := os.ReadFile("../web/docs/troubleshooting.md")
	if err != nil {
		t.Fatal(err)
	}
	manual := string(text)
	refusals, reasons := refusalsAndReasons(t)
	if len(refusals) < 10 || len(reasons) < 15 {
		t.Fatalf("only %q and %q are found in the source", refusals, reasons)
	}
	for _, why := range refusals {
		if !strings.Contains(manual, "\n| "+why+" | ") {
			t.Errorf("troubleshooting.md has no row for the refusal %q", why)
		}
	}
	for _, reason := range reasons {
		if !strings.Contains(manual, reason) {
			t.Errorf("troubleshooting.md does not name the reason %q", reason)
		}
	}
	for _, code := range []string{"1001", "1002", "1007", "1008", "1009", "1011", "1013"} {
		if !regexp.MustCompile(`(?m)^\| ` + code + ` \|`).MatchString(manual) {
			t.Errorf("troubleshooting.md has no row for the close code %s", code)
		}
	}
}

// refusalsAndReasons reads the source: the constants of type Reason, except refusal.Health, which
// refuses nothing; and the texts of the errors that become Close frames, which packages head and
// refusal do not have.
func refusalsAndReasons(t *testing.T) (refusals, reasons []string) {
	t.Helper()
	for _, folder := range []string{".", "internal/frame", "internal/head", "internal/refusal"} {
		files, err := filepath.Glob(folder + "/*.go")
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			closes := folder != "internal/head" && folder != "internal/refusal"
			ast.Inspect(file, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.ValueSpec:
					if name := nameOf(n.Type); name == "Reason" && n.Names[0].Name != "Health" {
						refusals = append(refusals, textsIn(n)...)
					}
				case *ast.CallExpr:
					if closes && nameOf(n.Fun) == "protocolError" {
						reasons = append(reasons, textsIn(n)...)
					}
				case *ast.CompositeLit:
					if closes && nameOf(n.Type) == "Error" {
						reasons = append(reasons, textsIn(n)...)
					}
				}
				return true
			})
		}
	}
	return refusals, reasons
}

// nameOf returns the last part of a name, or "".
func nameOf(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	}
	return ""
}

// textsIn returns the string literals below n.
func textsIn(n ast.Node) (all []string) {
	ast.Inspect(n, func(n ast.Node) bool {
		if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			if text, err := strconv.Unquote(lit.Value); err == nil {
				all = append(all, text)
			}
		}
		return true
	})
	return all
}
