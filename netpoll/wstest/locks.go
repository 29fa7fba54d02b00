package wstest

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// LockOrder fails the test if the section "# Lock order" of the doc.go in the working folder does
// not name each mutex of the folder's package: those of its structs as Type.field, its variables by
// their names. A commit that adds a mutex says there what may be locked under it. A package without
// a mutex needs neither the section nor the file.
func LockOrder(t *testing.T) {
	t.Helper()
	doc, err := os.ReadFile("doc.go")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
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
		all, err := mutexes(string(source))
		if err != nil {
			t.Fatal(err)
		}
		for _, mutex := range all {
			if named := regexp.MustCompile(`\b` + regexp.QuoteMeta(mutex) + `\b`); !named.MatchString(order) {
				t.Errorf("%s: doc.go says nothing of %s", file, mutex)
			}
		}
	}
}

// mutexes lists the mutexes of a source file: the fields of its structs as Type.field, also if they
// are embedded, pointers or arrays, and the variables of the package by their names. A mutex in a
// struct without a name is called Type.field.mutex.
func mutexes(source string) (all []string, err error) {
	file, err := parser.ParseFile(token.NewFileSet(), "", source, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	for _, decl := range file.Decls {
		group, ok := decl.(*ast.GenDecl)
		if !ok {
			continue
		}
		for _, spec := range group.Specs {
			switch spec := spec.(type) {
			case *ast.ValueSpec:
				for _, id := range spec.Names {
					all = append(all, mutexesIn(id.Name, spec.Type)...)
				}
				for i, value := range spec.Values {
					if literal, ok := value.(*ast.CompositeLit); ok && spec.Type == nil {
						all = append(all, mutexesIn(spec.Names[i].Name, literal.Type)...)
					}
				}
			case *ast.TypeSpec:
				all = append(all, mutexesIn(spec.Name.Name, spec.Type)...)
			}
		}
	}
	return all, nil
}

// mutexesIn lists the mutexes of a variable, a field or a type with the given name. An embedded field
// is called Mutex.
func mutexesIn(name string, t ast.Expr) (all []string) {
	switch t := t.(type) {
	case *ast.StarExpr:
		return mutexesIn(name, t.X)
	case *ast.ArrayType:
		return mutexesIn(name, t.Elt)
	case *ast.MapType:
		return mutexesIn(name, t.Value)
	case *ast.SelectorExpr:
		if pkg, ok := t.X.(*ast.Ident); ok && pkg.Name == "sync" && (t.Sel.Name == "Mutex" || t.Sel.Name == "RWMutex") {
			return []string{name}
		}
	case *ast.StructType:
		for _, field := range t.Fields.List {
			for _, id := range field.Names {
				all = append(all, mutexesIn(name+"."+id.Name, field.Type)...)
			}
			if len(field.Names) == 0 {
				all = append(all, mutexesIn(name+".Mutex", field.Type)...)
			}
		}
	}
	return all
}
