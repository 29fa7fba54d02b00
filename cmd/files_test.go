package cmd

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"webim/netpoll/wstest"
)

// back has the packages whose doc.go lists their files in order: a file uses only what stands before it. The arrows that run back
// up are here, because two types name each other, or because something goes on for ever: a store that is opened may be found lost
// and is opened again. Do not add one if a function can move to the file, or to the package below, that it belongs to.
var back = map[string][]string{
	"cmd/webim":                            {"program.go → takeover.go"},
	"netpoll":                              {"server.go → request.go", "server.go → handler.go", "server.go → config.go", "lookup.go → config.go"},
	"room":                                 {"hub.go → config.go", "room.go → hub.go", "room.go → pending.go", "room.go → sessions.go", "shard.go → sweep.go"},
	"room/chat":                            {},
	"room/centrifuge":                      {"dialect.go → early.go", "early.go → control.go"},
	"room/api":                             {"batch.go → methods.go"},
	"room/engine/jetstream":                {"engine.go → table.go", "classes.go → back.go"},
	"room/engine/jetstream/internal/state": {},
}

// TestFilesInOrder checks the order of the files of these packages; see wstest.FilesInOrder.
func TestFilesInOrder(t *testing.T) {
	for _, pkg := range slices.Sorted(maps.Keys(imports(t))) {
		arrows, ok := back[pkg]
		if !ok {
			if doc, err := os.ReadFile("../" + pkg + "/doc.go"); err == nil && strings.Contains(string(doc), wstest.FilesSection) {
				t.Errorf("package %s lists its files in order, and is not in the table of this test", pkg)
			}
			continue
		}
		t.Run(pkg, func(t *testing.T) {
			t.Chdir("../" + pkg)
			wstest.FilesInOrder(t, arrows...)
		})
	}
}
