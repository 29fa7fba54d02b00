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
	{"cmd/webim", "cmd/webim/internal/... netpoll netpoll/fdpass netpoll/ratelog room/... web"},
	{"cmd/webim/internal/metrics", "netpoll netpoll/durations room room/backend room/engine room/hooks room/identity room/judge room/policy room/wire"},
	{"cmd/webim/internal/remote", "cmd/webim/internal/config cmd/webim/internal/listen"},
	{"cmd/webim/internal/probe", "cmd/webim/internal/listen"},
	{"cmd/webim/internal/why", "room/flight"},
	{"cmd/webim/internal/operator", "netpoll/ratelog room/apikey"},
	{"cmd/webim/internal/acmecert", "cmd/webim/internal/secrets"},
	{"cmd/webim/internal/config", "cmd/webim/internal/acmecert cmd/webim/internal/operator cmd/webim/internal/certs cmd/webim/internal/cgroup cmd/webim/internal/jwkslog cmd/webim/internal/listen cmd/webim/internal/origins " +
		"cmd/webim/internal/roomsfile cmd/webim/internal/secrets cmd/webim/internal/setting cmd/webim/internal/version netpoll room/..."},
	{"cmd/webim/internal/roomsfile", "cmd/webim/internal/setting room/engine room/name room/policy room/token"},
	{"cmd/webim/internal/setting", "room/budget"},
	{"cmd/webim/internal/jsonlines", "room/chat/messages room/engine room/engine/jetstream room/wire"},
	{"cmd/webim/internal/listen", "netpoll"},
	{"cmd/webim/internal/manager", "netpoll"},
	{"cmd/webim/internal/origins", "netpoll"},
	{"cmd/webim/internal/upgrade", "cmd/webim/internal/children netpoll/fdpass"},
	{"cmd/webim/internal/...", ""},
	{"cmd/internal/...", ""},
	{"cmd/webim-bench", "bench/..."},
	{"bench/...", "bench/..."},

	{"room/api", "room room/chat room/control room/judge room/await room/internal/neutral room/apikey room/moderation room/engine room/policy room/token room/wire room/budget room/name netpoll/ratelog"},
	{"room/hooks", "netpoll/durations room/backend room/internal/neutral room/engine room/policy room/token room/wire room/budget room/name netpoll/ratelog"},
	{"room/roomtest", "room room/mux room/engine room/engine/memory netpoll netpoll/wstest"},
	{"room/live", "room room/flight room/identity room/judge room/apikey room/moderation room/engine room/policy room/token room/wire room/budget room/name netpoll netpoll/ratelog"},
	{"room/chat", "room/chat/messages room/chat/store room/chat/emoji room/chat/invitations room room/rpc room/await room/shares room/moderation room/engine room/policy room/token room/wire room/budget room/name"},
	{"room/chat/messages", "room/chat/store room room/rpc room/await room/engine room/wire"},
	{"room/chat/store", "room/await room/engine room/wire"},
	{"room/chat/invitations", "room/budget room/wire"},
	{"room/chat/emoji", ""},
	{"room/flight", "room room/identity room/engine room/wire room/budget netpoll"},
	{"room/mux", "room room/identity room/flight room/centrifuge room/plain room/wire netpoll"},
	{"room/centrifuge", "room room/control room/identity room/judge room/backend room/internal/encode room/cost room/internal/timers room/moderation room/engine room/policy room/token room/wire room/budget room/name netpoll netpoll/ratelog"},
	{"room/plain", "room room/identity room/judge room/backend room/cost room/internal/timers room/moderation room/engine room/policy room/token room/wire room/budget room/name netpoll netpoll/ratelog"},
	{"room/rpc", "room room/work room/await room/moderation room/engine room/policy room/token room/wire room/budget"},
	{"room", "room/control room/identity room/judge room/work room/backend room/guest room/cost room/shares room/slowmode room/moderation room/engine room/policy room/token room/wire room/budget room/name room/internal/... netpoll netpoll/ratelog netpoll/durations"},
	{"room/control", "room/identity room/judge room/moderation room/engine room/policy room/token room/wire netpoll netpoll/ratelog"},
	{"room/backend", "room/engine room/token room/wire room/budget"},
	{"room/judge", "room/identity room/backend room/guest room/moderation room/policy room/token room/wire netpoll netpoll/ratelog"},
	{"room/identity", "room/cost room/engine room/policy room/token room/wire room/budget netpoll"},
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
	{"room/engine/enginetest", "room/engine room/budget netpoll/wstest"},
	{"room/engine/window", "room/engine"},
	{"room/engine/entries", "room/engine room/budget"},
	{"room/engine/hubs", "room/engine"},
	{"room/engine/published", "room/engine room/budget"},
	{"room/engine/jetstream", "netpoll/ratelog room/engine/jetstream/embedded room/engine/jetstream/internal/... room/engine/window room/engine/entries room/engine/published room/engine room/budget"},
	{"room/engine/jetstream/embedded", "netpoll/ratelog room/engine/jetstream/internal/format room/engine/jetstream/embedded/internal/..."},
	{"room/engine/jetstream/natstest", "room/engine/jetstream/embedded"},
	{"room/engine/jetstream/archive", "room/engine/jetstream/internal/... room/engine"},
	{"room/engine/jetstream/internal/erasures", "room/engine/jetstream/internal/codes room/engine/jetstream/internal/streams room/engine/jetstream/internal/logread room/engine/jetstream/internal/subject"},
	{"room/engine/jetstream/internal/removals", "room/engine/jetstream/internal/streams room/engine/jetstream/internal/logread room/engine"},
	{"room/engine/jetstream/embedded/internal/reindex", ""},
	{"room/engine/jetstream/internal/codes", ""},
	{"room/engine/jetstream/internal/acks", "room/engine/jetstream/internal/codes"},
	{"room/engine/jetstream/internal/inbox", ""},
	{"room/engine/jetstream/internal/wiping", "room/engine/jetstream/internal/cuts room/engine"},
	{"room/engine/jetstream/internal/jobs", ""},
	{"room/engine/jetstream/internal/logread", "room/engine/jetstream/internal/codes room/engine/jetstream/internal/subject"},
	{"room/engine/jetstream/internal/frames", "room/engine"},
	{"room/engine/jetstream/internal/told", "room/engine"},
	{"room/engine/jetstream/internal/cluster", "netpoll/ratelog room/engine/jetstream/internal/frames room/engine/jetstream/internal/jobs room/engine/jetstream/internal/told room/engine/hubs room/engine"},
	{"room/engine/jetstream/internal/envelope", "room/engine"},
	{"room/engine/jetstream/internal/state", "room/engine/jetstream/internal/acks room/engine/jetstream/internal/frames room/engine/jetstream/internal/logread room/engine/jetstream/internal/subject room/engine/entries room/engine room/budget"},
	{"room/engine/jetstream/internal/tally", ""},
	{"room/engine/jetstream/internal/flights", ""},
	{"room/engine/jetstream/internal/gate", ""},
	{"room/engine/jetstream/internal/cuts", "room/engine"},
	{"room/engine/jetstream/internal/ids", "room/engine room/budget"},
	{"room/engine/jetstream/internal/daily", "room/budget"},
	{"room/engine/jetstream/internal/durable", "room/engine"},
	{"room/engine/jetstream/internal/fault", "room/engine/jetstream/internal/acks room/engine/jetstream/internal/logread room/engine/jetstream/internal/seal room/engine"},
	{"room/engine/jetstream/internal/codec", "room/engine/jetstream/internal/envelope room/engine/jetstream/internal/ids room/engine/jetstream/internal/seal room/engine"},
	{"room/engine/jetstream/internal/stubs", "room/engine/jetstream/internal/envelope room/engine/jetstream/internal/logread room/engine/jetstream/internal/state room/engine/jetstream/internal/subject room/engine"},
	{"room/engine/jetstream/internal/roomlog", "room/engine/jetstream/internal/codec room/engine/jetstream/internal/envelope room/engine/jetstream/internal/fault room/engine/jetstream/internal/logread room/engine/jetstream/internal/stubs room/engine/jetstream/internal/subject room/engine/jetstream/internal/tally room/engine"},
	{"room/engine/jetstream/internal/recent", "room/engine/jetstream/internal/roomlog room/engine/window room/engine"},
	{"room/engine/jetstream/internal/sweep", "room/engine/jetstream/internal/fault room/engine/jetstream/internal/logread"},
	{"room/engine/jetstream/internal/format", ""},
	{"room/engine/jetstream/internal/streams", "room/engine/jetstream/internal/format"},
	{"room/engine/jetstream/internal/subject", "room/name"},
	{"room/engine/jetstream/internal/seal", ""},
	{"room/engine/jetstream/internal/keys", "room/engine/jetstream/internal/codes room/engine/jetstream/internal/streams room/engine/jetstream/internal/seal room/engine/jetstream/internal/subject room/engine/jetstream/internal/jobs room/engine/jetstream/internal/logread room/engine/jetstream/internal/retire room/engine"},
	{"room/engine/jetstream/internal/retire", "room/engine"},
	{"room/engine/jetstream/internal/keyuse", "room/engine/jetstream/internal/envelope room/engine/jetstream/internal/logread room/engine/jetstream/internal/retire room/engine/jetstream/internal/seal room/engine/jetstream/internal/subject"},
	{"room/engine/...", "room/engine room/engine/hubs room/engine/window room/engine/entries room/engine/published room/budget room/internal/..."},
	{"room/apikey", "room/name"},
	{"room/budget", ""},
	{"room/name", ""},
	{"room/internal/encode", "room/engine room/wire"},
	{"room/internal/notices", "room/budget room/engine"},
	{"room/internal/latency", "netpoll/durations"},
	{"room/internal/...", ""},

	{"netpoll/wstest", ""},
	{"netpoll/wstest/shortwrite", "netpoll/internal/rawio"},
	{"netpoll/ratelog", ""},
	{"netpoll/durations", ""},
	{"netpoll/snapshot", ""},
	{"netpoll/fdpass", ""},
	{"netpoll/internal/refusal", "netpoll/internal/head netpoll/ratelog"},
	{"netpoll/internal/encode", "netpoll/internal/frame netpoll/internal/output"},
	{"netpoll/internal/httpbridge", "netpoll/internal/addrs netpoll/internal/head netpoll/internal/refusal netpoll/internal/socket netpoll/internal/tlsmem"},
	{"netpoll/internal/moving", "netpoll/internal/frame netpoll/internal/output netpoll/internal/unfinished"},
	{"netpoll/internal/poll", "netpoll/internal/rawio"},
	{"netpoll/internal/unfinished", "netpoll/internal/frame"},
	{"netpoll/internal/waiting", "netpoll/internal/addrs"},
	{"netpoll/internal/...", ""},
	{"netpoll", "netpoll/internal/... netpoll/ratelog netpoll/durations"},
	{"web", ""},
	{"web/docgen", ""},
}

// testOnly are the packages that the server must not contain, whether ours, of the standard library
// or of others: they are for tests and for the load lab. A path also stands for those below it. Ours
// have their paths inside the module.
var testOnly = []string{
	"netpoll/wstest", "bench", "room/engine/enginetest", "room/engine/jetstream/natstest", "room/roomtest", "cmd/webim/internal/testargs", "cmd/webim/internal/testcert", "cmd/internal", "web/docgen", "testing", "net/http/httptest",
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

// allows reports whether a package may import another one of ours. Each package of the server may write down its
// state.
func allows(from, to string) bool {
	server := matches("netpoll/...", from) || matches("room/...", from) || matches("cmd/webim/...", from)
	if to == "netpoll/snapshot" {
		return server && from != to
	}
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

// isModule reports whether a folder is a module of its own.
func isModule(folder string) bool {
	_, err := os.Stat(filepath.Join(folder, "go.mod"))
	return err == nil
}

// imports returns the imports of all packages of the module, without those of tests: by package,
// and by import the files that have it.
func imports(t *testing.T) map[string]map[string][]string {
	t.Helper()
	all := map[string]map[string][]string{}
	err := filepath.WalkDir("..", func(file string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && file != ".." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || isModule(file)):
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
	if files := all["netpoll/internal/poll"]["github.com/mailru/easygo/netpoll"]; len(files) != 1 {
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
