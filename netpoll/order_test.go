package netpoll

import (
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestFilesInOrder compares the list of doc.go with the code: a file uses only names of the files before it.
func TestFilesInOrder(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(string(doc), "# The order of the files\n")
	list, _, _ = strings.Cut(list, "\n// #")
	place, data := map[string]int{}, 0 // data: the number of files in the first line
	for line := range strings.Lines(list) {
		if !strings.HasPrefix(line, "//\t") {
			continue
		}
		for _, name := range regexp.MustCompile(`\w+\.go`).FindAllString(line, -1) {
			place[name] = len(place)
		}
		if data == 0 {
			data = len(place)
		}
	}
	fset := token.NewFileSet()
	var files []*ast.File
	all, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range all {
		if strings.HasSuffix(name, "_test.go") || name == "doc.go" {
			continue
		}
		if _, ok := place[name]; !ok {
			t.Errorf("%s is not in the list", name)
		}
		f, err := parser.ParseFile(fset, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	if len(files) != len(place) || data < 2 {
		t.Errorf("the list has %d files, %d of them in the first line, and the package %d", len(place), data, len(files))
	}
	info := &types.Info{Uses: map[*ast.Ident]types.Object{}}
	conf := types.Config{Importer: importer.ForCompiler(fset, "gc", exports(t))}
	pkg, err := conf.Check("netpoll", fset, files, info)
	if err != nil {
		t.Fatal(err)
	}
	var up []string
	for id, o := range info.Uses {
		if o.Pkg() != pkg || !o.Pos().IsValid() {
			continue
		}
		from, to := fset.Position(id.Pos()).Filename, fset.Position(o.Pos()).Filename
		if place[from] < place[to] && place[to] >= data {
			up = append(up, from+" uses "+o.Name()+" of "+to)
		}
	}
	slices.Sort(up)
	for _, line := range slices.Compact(up) {
		t.Error(line)
	}
}

// exports returns a function that opens the export data of the packages that this one imports.
func exports(t *testing.T) func(path string) (io.ReadCloser, error) {
	t.Helper()
	list := exec.Command("go", "list", "-export", "-deps", "-f", "{{.ImportPath}} {{.Export}}", ".")
	list.Env = append(os.Environ(), "CGO_ENABLED=0") // as programs are built, so that the packages are compiled once
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for line := range strings.Lines(string(out)) {
		path, file, _ := strings.Cut(strings.TrimSpace(line), " ")
		files[path] = file
	}
	return func(path string) (io.ReadCloser, error) { return os.Open(files[path]) }
}
