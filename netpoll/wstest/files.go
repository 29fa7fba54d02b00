package wstest

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

// FilesSection is the heading of the list that FilesInOrder reads.
const FilesSection = "# The order of the files"

// FilesInOrder fails the test unless a file of the package in the working folder uses only names of the files that stand before it
// in the list of its doc.go, in the section FilesSection. Fields are no such names. Each arrow in back, as "a.go → b.go", may run
// back up. One that no code needs any more fails the test, too.
func FilesInOrder(t *testing.T, back ...string) {
	t.Helper()
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	place := map[string]int{}
	for _, name := range listed(string(doc)) {
		if _, twice := place[name]; twice {
			t.Errorf("%s stands twice in the list of doc.go", name)
		}
		place[name] = len(place)
	}
	arrows, files := arrows(t)
	for _, name := range files {
		if _, ok := place[name]; !ok {
			t.Errorf("%s is not in the list of doc.go", name)
		}
	}
	for name := range place {
		if !slices.Contains(files, name) {
			t.Errorf("doc.go lists %s, which is not there", name)
		}
	}
	found := map[string]bool{}
	for _, a := range arrows {
		if place[a.from] >= place[a.to] {
			continue
		}
		arrow := a.from + " → " + a.to
		if found[arrow] = true; !slices.Contains(back, arrow) {
			t.Errorf("%s, which stands before %s, uses %s of it: move one of them", a.from, a.to, a.name)
		}
	}
	for _, arrow := range back {
		if !found[arrow] {
			t.Errorf("no code needs the arrow %s any more: take it out of the list", arrow)
		}
	}
}

// listed returns the files in the list of a package's documentation, in their order.
func listed(doc string) (all []string) {
	_, list, _ := strings.Cut(doc, FilesSection+"\n")
	list, _, _ = strings.Cut(list, "\n// #")
	for line := range strings.Lines(list) {
		if strings.HasPrefix(line, "//\t") {
			all = append(all, regexp.MustCompile(`\w+\.go\b`).FindAllString(line, -1)...)
		}
	}
	return all
}

// arrow says that a file uses a name of another.
type arrow struct{ from, to, name string }

// arrows returns the arrows between the files of the package in the working folder, and the files, without doc.go and tests.
func arrows(t *testing.T) (all []arrow, names []string) {
	t.Helper()
	paths, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	fset := token.NewFileSet()
	var files []*ast.File
	for _, name := range paths {
		if strings.HasSuffix(name, "_test.go") || name == "doc.go" {
			continue
		}
		f, err := parser.ParseFile(fset, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		files, names = append(files, f), append(names, name)
	}
	info := &types.Info{Uses: map[*ast.Ident]types.Object{}}
	conf := types.Config{Importer: importer.ForCompiler(fset, "gc", exports(t))}
	pkg, err := conf.Check("checked", fset, files, info)
	if err != nil {
		t.Fatal(err)
	}
	for id, o := range info.Uses {
		if o.Pkg() != pkg || !o.Pos().IsValid() {
			continue
		}
		if v, ok := o.(*types.Var); ok && v.IsField() {
			continue
		}
		if from, to := fset.Position(id.Pos()).Filename, fset.Position(o.Pos()).Filename; from != to {
			all = append(all, arrow{from, to, o.Name()})
		}
	}
	slices.SortFunc(all, func(a, b arrow) int { return strings.Compare(a.from+" "+a.to+" "+a.name, b.from+" "+b.to+" "+b.name) })
	return slices.Compact(all), names
}

// exports returns a function that opens the export data of the packages that the one in the working folder imports.
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
