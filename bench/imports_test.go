package bench

import (
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// order has the packages of the lab: each may import only packages that stand before it.
var order = []string{"stamp", "sock", "ws", "stat", "option", "proc", "client", "report", "page", "load", "cluster", "floor", "nats", "smoke", "peer", "scenario", "suite", "attack", "trial", "audit", "relay", "chaos"}

// here is a type of this package, for its import path.
type here struct{}

// Imports run one way. The lab imports nothing of the server, or both would have the same mistakes; and only tests import package benchtest.
func TestImportsRunOneWay(t *testing.T) {
	lab := reflect.TypeFor[here]().PkgPath() // the module may have another name
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, e := range entries {
		name := e.Name()
		if _, err := os.Stat(filepath.Join(name, "go.mod")); err == nil || !e.IsDir() || name == "benchtest" { // some are modules of their own
			continue
		}
		at := slices.Index(order, name)
		if at < 0 {
			t.Errorf("package %s has no place in the order", name)
			continue
		}
		found++
		for file, paths := range imports(t, name) {
			for _, path := range paths {
				ours, inside := strings.CutPrefix(path, lab+"/")
				switch k := slices.Index(order, ours); {
				case !inside && strings.HasPrefix(path, filepath.Dir(lab)+"/"):
					t.Errorf("%s imports %s", file, path)
				case ours == "benchtest" && strings.HasSuffix(file, "_test.go"):
				case inside && !strings.HasSuffix(file, "_test.go") && (k < 0 || k >= at):
					t.Errorf("%s imports %s, which stands behind it", file, path)
				}
			}
		}
	}
	if found != len(order) {
		t.Errorf("%d packages of %d exist", found, len(order))
	}
}

// imports returns the import paths of each Go file in a folder.
func imports(t *testing.T, folder string) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") {
			continue
		}
		name := filepath.Join(folder, e.Name())
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range f.Imports {
			path, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			all[name] = append(all[name], path)
		}
	}
	return all
}
