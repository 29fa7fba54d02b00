package cmd

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestManualNamesEachPackage checks that the table of folders in the manual's chapter Contributing
// names each package, and no other folder. It leaves out packages below internal folders. The chapter
// refers to bench/doc.go for the packages of bench, so that file must name them.
func TestManualNamesEachPackage(t *testing.T) {
	chapter, lab := read(t, "../web/docs/contributing.md"), read(t, "../bench/doc.go")
	_, rest, _ := strings.Cut(chapter, "| Folder | Purpose |\n")
	table, _, ok := strings.Cut(rest, "\n\n")
	if !ok {
		t.Fatal("contributing.md has no table of folders")
	}
	named := map[string]bool{}
	for row := range strings.Lines(table) {
		folders, _, _ := strings.Cut(strings.TrimPrefix(row, "| "), " | ")
		for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(folders, -1) {
			named[m[1]] = true
			if _, err := os.Stat("../" + m[1]); err != nil {
				t.Errorf("the table has a folder that does not exist: %v", err)
			}
		}
	}
	for _, pkg := range slices.Sorted(maps.Keys(imports(t))) {
		part, inLab := strings.CutPrefix(pkg, "bench/")
		switch {
		case strings.Contains(pkg+"/", "/internal/"):
		case inLab && !regexp.MustCompile(`\b`+part+`\b`).MatchString(lab):
			t.Errorf("bench/doc.go does not name the package %s", part)
		case !inLab && !named[pkg]:
			t.Errorf("the table of folders in web/docs/contributing.md does not name %s", pkg)
		}
	}
}

// TestDocsNameEachPackage checks that the section "# Packages" in the doc.go of netpoll and of room has
// a row for each package, also below internal folders, and no row for another folder.
func TestDocsNameEachPackage(t *testing.T) {
	for _, root := range []string{"netpoll", "room"} {
		_, section, _ := strings.Cut(read(t, "../"+root+"/doc.go"), "// # Packages\n")
		section, _, _ = strings.Cut(section, "\n// # ")
		named := map[string]bool{root: true} // a row for the root itself may stand in the table
		for _, m := range regexp.MustCompile(`(?m)^//\t(\S+) +\S`).FindAllStringSubmatch(section, -1) {
			if m[1] != root {
				named[root+"/"+m[1]] = true
			}
		}
		all := map[string]bool{}
		for pkg := range imports(t) {
			if pkg == root || strings.HasPrefix(pkg, root+"/") {
				all[pkg] = true
			}
		}
		for pkg := range all {
			if !named[pkg] {
				t.Errorf("the table of packages in %s/doc.go does not name %s", root, pkg)
			}
		}
		for pkg := range named {
			if !all[pkg] {
				t.Errorf("the table of packages in %s/doc.go has %s, which is no package", root, pkg)
			}
		}
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
