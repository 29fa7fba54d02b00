package wstest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// LockOrder fails the test if the section "# Lock order" of the doc.go in the working folder does
// not name each mutex of the folder's package: those of its structs as Type.field, its variables by
// their names. A commit that adds a mutex says there what may be locked under it.
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
// are embedded, pointers or arrays, and the variables of the package by their names.
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
				if spec.Type != nil && isMutex(spec.Type) {
					all = append(all, names("", spec.Names)...)
				}
			case *ast.TypeSpec:
				fields, ok := spec.Type.(*ast.StructType)
				if !ok {
					continue
				}
				for _, field := range fields.Fields.List {
					if isMutex(field.Type) {
						all = append(all, names(spec.Name.Name+".", field.Names)...)
					}
				}
			}
		}
	}
	return all, nil
}

// names returns names with a prefix; an embedded field is called Mutex.
func names(prefix string, idents []*ast.Ident) (all []string) {
	for _, id := range idents {
		all = append(all, prefix+id.Name)
	}
	if len(idents) == 0 {
		all = []string{prefix + "Mutex"}
	}
	return all
}

// isMutex reports whether a type is a mutex, or has some as its elements.
func isMutex(t ast.Expr) bool {
	switch t := t.(type) {
	case *ast.StarExpr:
		return isMutex(t.X)
	case *ast.ArrayType:
		return isMutex(t.Elt)
	case *ast.MapType:
		return isMutex(t.Value)
	case *ast.SelectorExpr:
		pkg, ok := t.X.(*ast.Ident)
		return ok && pkg.Name == "sync" && (t.Sel.Name == "Mutex" || t.Sel.Name == "RWMutex")
	}
	return false
}
