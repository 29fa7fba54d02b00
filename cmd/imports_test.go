// Package cmd has the test of the whole program's structure: which package may import which.
package cmd

import (
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// A rule lists the packages of ours that a package may import. A path that ends in /... matches
// the packages below it, too. Tests may import more; they are not checked.
type rule struct{ pkg, may string }

// rules draws the structure from the top to the bottom, so imports run one way. For each package,
// the first rule that matches applies. A package without a rule fails the test: add the rule, and
// one sentence about the package to the table in room/doc.go.
var rules = []rule{
	{"cmd/webim", "netpoll netpoll/ratelog room/... web"},
	{"cmd/webim/internal/...", ""},
	{"cmd/internal/...", ""},
	{"cmd/webim-bench", "bench/..."},
	{"bench/...", "bench/..."},

	{"room/api", "room room/judge room/await room/internal/neutral room/apikey room/moderation room/engine room/policy room/token room/wire room/budget room/name netpoll/ratelog"},
	{"room/hooks", "room/backend room/internal/neutral room/engine room/policy room/token room/wire room/budget room/name netpoll/ratelog"},
	{"room/roomtest", "room room/mux netpoll netpoll/wstest"},
	{"room/live", "room room/judge room/apikey room/moderation room/engine room/policy room/token room/wire room/budget room/name netpoll netpoll/ratelog"},
	{"room/chat", "room room/rpc room/await room/shares room/moderation room/engine room/policy room/token room/wire room/budget room/name"},
	{"room/mux", "room room/centrifuge room/plain room/wire netpoll"},
	{"room/centrifuge", "room room/judge room/backend room/internal/encode room/cost room/internal/timers room/moderation room/engine room/policy room/token room/wire room/budget room/name netpoll netpoll/ratelog"},
	{"room/plain", "room room/judge room/backend room/cost room/internal/timers room/moderation room/engine room/policy room/token room/wire room/budget room/name netpoll netpoll/ratelog"},
	{"room/rpc", "room room/work room/await room/moderation room/engine room/policy room/token room/wire room/budget"},
	{"room", "room/judge room/work room/backend room/guest room/cost room/shares room/slowmode room/moderation room/engine room/policy room/token room/wire room/budget room/name room/internal/... netpoll netpoll/ratelog netpoll/durations"},
	{"room/backend", "room/engine room/token room/wire room/budget"},
	{"room/judge", "room/backend room/guest room/moderation room/policy room/token room/wire netpoll netpoll/ratelog"},
	{"room/work", "room/budget netpoll/ratelog"},
	{"room/await", ""},
	{"room/moderation", "room/engine room/policy room/token room/wire room/budget room/name"},
	{"room/cost", "room/engine room/policy room/wire room/budget room/internal/timers netpoll netpoll/ratelog"},
	{"room/shares", "room/engine room/policy room/wire room/budget netpoll/ratelog"},
	{"room/guest", "room/policy room/token room/wire room/name"},
	{"room/slowmode", "room/wire room/budget"},
	{"room/policy", "room/engine room/token room/wire room/budget room/name"},
	{"room/token", "room/name"},
	{"room/wire", "room/name"},
	{"room/engine", "room/budget room/name"},
	{"room/engine/enginetest", "room/engine room/budget"},
	{"room/engine/window", "room/engine"},
	{"room/engine/entries", "room/engine"},
	{"room/engine/published", "room/engine room/budget"},
	{"room/engine/jetstream", "room/engine/jetstream/embedded room/engine/jetstream/internal/... room/engine/window room/engine/entries room/engine/published room/engine room/budget"},
	{"room/engine/jetstream/embedded", "netpoll/ratelog"},
	{"room/engine/jetstream/internal/acks", ""},
	{"room/engine/jetstream/internal/jobs", ""},
	{"room/engine/jetstream/internal/logread", ""},
	{"room/engine/jetstream/internal/frames", "room/engine"},
	{"room/engine/jetstream/internal/cluster", "room/engine/jetstream/internal/frames room/engine/jetstream/internal/jobs room/engine"},
	{"room/engine/jetstream/internal/envelope", "room/engine"},
	{"room/engine/jetstream/internal/state", "room/engine/jetstream/internal/... room/engine/entries room/engine room/budget"},
	{"room/engine/jetstream/internal/subject", "room/name"},
	{"room/engine/jetstream/internal/seal", ""},
	{"room/engine/jetstream/internal/keys", "room/engine/jetstream/internal/seal room/engine/jetstream/internal/subject room/engine/jetstream/internal/jobs room/engine"},
	{"room/engine/...", "room/engine room/engine/window room/engine/entries room/engine/published room/budget room/internal/..."},
	{"room/apikey", "room/name"},
	{"room/budget", ""},
	{"room/name", ""},
	{"room/internal/encode", "room/engine room/wire"},
	{"room/internal/notices", "room/budget room/engine"},
	{"room/internal/users", "netpoll"},
	{"room/internal/latency", "netpoll/durations"},
	{"room/internal/...", ""},

	{"netpoll/wstest", ""},
	{"netpoll/wstest/shortwrite", "netpoll/internal/rawio"},
	{"netpoll/ratelog", ""},
	{"netpoll/durations", ""},
	{"netpoll/internal/...", ""},
	{"netpoll", "netpoll/internal/... netpoll/ratelog netpoll/durations"},
	{"web", ""},
	{"web/docgen", ""},
}

// testOnly are the packages that the server must not contain, whether ours, of the standard library
// or of others: they are for tests and for the load lab. A path also stands for those below it. Ours
// have their paths inside the module.
var testOnly = []string{
	"netpoll/wstest", "bench", "room/engine/enginetest", "room/roomtest", "cmd/webim/internal", "cmd/internal", "web/docgen", "testing", "net/http/httptest",
	"pgregory.net/rapid", "go.uber.org/goleak", "github.com/chromedp", "github.com/centrifugal/centrifuge-go", "github.com/centrifugal/gocent",
	"github.com/schollz/progressbar", "golang.org/x/term",
}

func matches(pattern, pkg string) bool {
	base, below := strings.CutSuffix(pattern, "/...")
	return pkg == base || below && strings.HasPrefix(pkg, base+"/")
}

// ruleOf returns the rule of a package.
func ruleOf(pkg string) (rule, bool) {
	i := slices.IndexFunc(rules, func(r rule) bool { return matches(r.pkg, pkg) })
	if i < 0 {
		return rule{}, false
	}
	return rules[i], true
}

// allows reports whether a package may import another one of ours.
func allows(from, to string) bool {
	r, ok := ruleOf(from)
	return ok && slices.ContainsFunc(strings.Fields(r.may), func(pattern string) bool { return matches(pattern, to) })
}

// ownPackage returns the path of a package of ours inside the module, and other paths unchanged.
// The module may have another name than webim: see make rename.
func ownPackage(name string) (pkg string, ours bool) { return strings.CutPrefix(name, module()+"/") }

// module returns the name of the module.
var module = sync.OnceValue(func() string {
	text, err := os.ReadFile("../go.mod")
	if err != nil {
		panic(err)
	}
	line, _, _ := strings.Cut(string(text), "\n")
	return strings.TrimPrefix(line, "module ")
})

// imports returns the imports of all packages of the module, without those of tests: by package,
// and by import the files that have it.
func imports(t *testing.T) map[string]map[string][]string {
	t.Helper()
	all := map[string]map[string][]string{}
	err := filepath.WalkDir("..", func(file string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && file != ".." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || file == "../bench/peers"):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go"):
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		pkg := strings.TrimPrefix(path.Dir(filepath.ToSlash(file)), "../")
		if all[pkg] == nil {
			all[pkg] = map[string][]string{}
		}
		for _, spec := range f.Imports {
			name, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			all[pkg][name] = append(all[pkg][name], file)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestImportsRunOneWay checks each import of ours against the rules.
func TestImportsRunOneWay(t *testing.T) {
	all := imports(t)
	if len(all) < 15 || all["room"] == nil {
		t.Fatalf("only %d packages were found", len(all))
	}
	for _, pkg := range slices.Sorted(maps.Keys(all)) {
		if _, ok := ruleOf(pkg); !ok {
			t.Errorf("package %s has no rule", pkg)
			continue
		}
		for name, files := range all[pkg] {
			if to, ours := ownPackage(name); ours && !allows(pkg, to) {
				t.Errorf("package %s must not import %s: %s", pkg, to, strings.Join(files, ", "))
			}
		}
	}
	if files := all["netpoll"]["github.com/mailru/easygo/netpoll"]; len(files) != 1 {
		t.Errorf("easygo is imported in %q, not in one file", files)
	}
}

// TestRulesHaveNoCycle checks that the rules themselves draw no cycle: otherwise they would permit
// arrows that run back up. bench/... and room/engine/... stand for several packages.
func TestRulesHaveNoCycle(t *testing.T) {
	all := imports(t)
	const visiting, visited = 1, 2
	state := map[string]int{}
	var visit func(pkg string, way []string)
	visit = func(pkg string, way []string) {
		if way = append(way, pkg); state[pkg] == visiting {
			t.Fatalf("the rules permit the cycle %s", strings.Join(way, " → "))
		}
		if state[pkg] == visited {
			return
		}
		state[pkg] = visiting
		for other := range all {
			if other != pkg && !strings.HasPrefix(pkg, "bench") && allows(pkg, other) {
				visit(other, way)
			}
		}
		state[pkg] = visited
	}
	for pkg := range all {
		visit(pkg, nil)
	}
}

// TestServerHasNoTestCode checks that the server contains no package that only tests or the load
// lab need.
func TestServerHasNoTestCode(t *testing.T) {
	all := imports(t)
	seen := map[string]bool{}
	var visit func(pkg string)
	visit = func(pkg string) {
		if seen[pkg] {
			return
		}
		seen[pkg] = true
		for name, files := range all[pkg] {
			to, ours := ownPackage(name)
			if ours {
				visit(to)
			}
			if slices.ContainsFunc(testOnly, func(not string) bool { return matches(not+"/...", to) }) {
				t.Errorf("the server contains %s: %s", name, strings.Join(files, ", "))
			}
		}
	}
	visit("cmd/webim")
	if !seen["netpoll"] || !seen["room/engine/memory"] {
		t.Errorf("the server was not walked: %v", slices.Sorted(maps.Keys(seen)))
	}
}
