package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"webim/cmd/internal/manual"
	"webim/cmd/webim/internal/config"
	"webim/cmd/webim/internal/testcert"
)

// The examples of the manual and of the README run as tests, each kind in its way. These files
// have them:
//
//	sh        the flags of webim are parsed, the targets of make exist, curl is run (here);
//	          lines of webim-bench are parsed in cmd/webim-bench
//	json      the output of the curl before it (here), or the request of a hook (exampleprograms_test.go)
//	yaml      a configuration that webim check accepts (here)
//	ini       the flags in ExecStart are parsed (here)
//	exchange  sent to a server, and the answers compared (here)
//	go        complete programs are built and run; fragments are part of a test (exampleprograms_test.go)
//	js, html  run by Node, or in Chromium (exampleprograms_test.go, manualpage_test.go)
//	text, php, nginx, caddy   not run

const root = "../.."

// TestExampleLanguages fails if a block is of a kind that no test runs.
func TestExampleLanguages(t *testing.T) {
	known := []string{"sh", "json", "yaml", "ini", "exchange", "go", "js", "html", "text", "php", "nginx", "caddy"}
	for _, b := range manual.Blocks(t, root) {
		if !slices.Contains(known, b.Lang) {
			t.Errorf("%s: no test runs blocks of the kind %q: add one, or use text", b.Place, b.Lang)
		}
	}
}

// exampleFiles makes the files that examples name, in the working directory of the test.
func exampleFiles(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	cert, key := testcert.New(t, -time.Hour, 24*365*time.Hour, "chat.example.org")
	for name, text := range map[string]string{
		"secret": longSecret, "hook-secret": longSecret, "api.key": "0123456789abcdef0", "ci.key": "0123456789abcdef1", "shop.key": "0123456789abcdef2",
		"backend.key": "0123456789abcdef3", "prometheus.key": "0123456789abcdef4",
		"new": longSecret + "1", "old": longSecret + "2", "cert.pem": cert, "key.pem": key,
		"webim.yaml": gettingStarted(t),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
}

// gettingStarted returns the configuration of the chapter Getting started.
func gettingStarted(t *testing.T) string {
	t.Helper()
	for _, b := range manual.Blocks(t, root, "yaml") {
		if b.File == "getting-started.md" {
			return b.Text
		}
	}
	t.Fatal("getting-started.md has no configuration")
	return ""
}

// localFiles returns an example with the files of exampleFiles in place of those in /etc/webim.
func localFiles(text string) string { return strings.ReplaceAll(text, "/etc/webim/", "") }

func TestExampleConfigurations(t *testing.T) {
	blocks := manual.Blocks(t, root, "yaml")
	exampleFiles(t)
	for _, b := range blocks {
		file := write(t, "example.yaml", localFiles(b.Text))
		var o, e bytes.Buffer // not with testargs.Complete: some examples name their store, and systemd the others'
		code := run([]string{"check", "--config", file}, []string{"STATE_DIRECTORY=" + t.TempDir()}, strings.NewReader(""), &o, &e)
		out, errs := o.String(), e.String()
		if code != 0 {
			t.Errorf("%s: %s", b.Place, errs)
		}
		if strings.Contains(b.Text, "\nrooms:\n") && strings.Contains(out, "# warning") {
			t.Errorf("%s: webim check warns:\n%s", b.Place, out[strings.Index(out, "# warning"):])
		}
	}
	if len(blocks) < 4 {
		t.Errorf("only %d blocks", len(blocks))
	}
}

// assignment is a variable that a shell sets for a command.
var assignment = regexp.MustCompile(`^[A-Z_]+=(\$\([^)]*\)|\S*) `)

// TestExampleCommands parses the commands of the examples.
func TestExampleCommands(t *testing.T) {
	makefile, err := os.ReadFile(root + "/Makefile")
	if err != nil {
		t.Fatal(err)
	}
	blocks := append(manual.Blocks(t, root, "sh", "ini"), inlineCommands(t)...)
	exampleFiles(t)
	parsed := 0
	for _, b := range blocks {
		for line := range strings.Lines(strings.ReplaceAll(b.Text, "\\\n", " ")) {
			line, _, _ = strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "ExecStart="), " #")
			for command := range strings.SplitSeq(assignment.ReplaceAllString(line, ""), " | ") {
				words := shellWords(localFiles(command))
				if len(words) == 0 {
					continue
				}
				switch name := filepath.Base(words[0]); name {
				case "webim":
					parsed++
					parseExample(t, b.Place, words[1:])
				case "make":
					if len(words) > 1 && !regexp.MustCompile(`(?m)^`+words[1]+`:.*## `).Match(makefile) {
						t.Errorf("%s: the Makefile has no target %s", b.Place, words[1])
					}
				case "curl", "openssl", "go", "webim-bench": // see the list above
				case "cp", "install", "chown", "useradd", "systemctl", "docker", "helm": // of the system
				default:
					if b.Lang == "sh" {
						t.Errorf("%s: no test knows the command %s", b.Place, name)
					}
				}
			}
		}
	}
	if parsed < 15 {
		t.Errorf("only %d commands of webim", parsed)
	}
}

// TestExampleUnit checks that what the manual says of a unit for systemd stands in the unit that is deployed.
func TestExampleUnit(t *testing.T) {
	unit, err := os.ReadFile("deploy/webim.service")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, b := range manual.Blocks(t, root, "ini") {
		if !strings.HasPrefix(b.Place, "upgrade.md") {
			continue
		}
		found++
		for line := range strings.Lines(b.Text) {
			if !strings.Contains(string(unit), "\n"+line) {
				t.Errorf("%s: webim.service has no line %s", b.Place, line)
			}
		}
	}
	if found != 1 {
		t.Errorf("upgrade.md has %d units", found)
	}
}

// inlineCommands returns the commands of webim in the text of the manual.
func inlineCommands(t *testing.T) (all []manual.Block) {
	t.Helper()
	files, err := filepath.Glob(root + "/web/docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range append(files, root+"/README.md") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile("`webim ([a-z]+ [^`…]*)`").FindAllStringSubmatch(string(text), -1) {
			all = append(all, manual.Block{Place: filepath.Base(file) + ": " + m[0], Lang: "inline", Text: "webim " + m[1]})
		}
	}
	return all
}

// parseExample parses a command line, and loads the settings of serve and check. Words in
// capital letters stand for values.
func parseExample(t *testing.T, place string, words []string) {
	t.Helper()
	for i, word := range words {
		switch word {
		case "FILE":
			words[i] = "webim.yaml"
			if i > 0 && strings.HasSuffix(words[i-1], "-file") {
				words[i] = "hook-secret"
			}
		case "http://127.0.0.1:PORT/":
			words[i] = "http://127.0.0.1:1/"
		}
	}
	var cli commands
	var helped bool
	ctx, err := newParser(&cli, words, io.Discard, io.Discard, &helped).Parse(words)
	if err != nil {
		t.Errorf("%s: webim %s: %v", place, strings.Join(words, " "), err)
		return
	}
	command := map[string]*config.Flags{"serve": &cli.Serve, "check": &cli.Check}[ctx.Command()]
	if command == nil {
		return
	}
	if strings.HasPrefix(command.Settings.HookConnect, "http:") {
		command.Settings.Insecure = true // the backend of the example is on the same machine
	}
	given := config.GivenFlags(ctx)
	given["insecure"] = command.Settings.Insecure
	c, err := config.Load(&command.Settings, given, nil, command.Config)
	if err == nil {
		var p *config.Prepared
		if p, err = c.Prepare(); err == nil {
			p.Close()
		}
	}
	if err != nil {
		t.Errorf("%s: webim %s: %v", place, strings.Join(words, " "), err)
	}
}

var word = regexp.MustCompile(`(?:'[^']*'|"[^"]*"|[^\s'"])+`)

// shellWords splits a command line into words, as a shell does with simple quotes.
func shellWords(line string) (words []string) {
	if strings.HasPrefix(line, "#") {
		return nil
	}
	for _, w := range word.FindAllString(line, -1) {
		if w == ">" {
			break
		}
		words = append(words, strings.NewReplacer("'", "", `"`, "").Replace(strings.Trim(w, "'")))
		if strings.HasPrefix(w, "'") {
			words[len(words)-1] = strings.Trim(w, "'")
		}
	}
	return words
}

// TestExampleRequests runs each curl of a file against one server, and compares the output with
// the block behind it.
func TestExampleRequests(t *testing.T) {
	ran := 0
	servers := map[string]*program{}
	blocks := manual.Blocks(t, root)
	for i, b := range blocks {
		if b.Lang != "sh" || !strings.HasPrefix(b.Text, "curl ") {
			continue
		}
		p := servers[b.File]
		if p == nil {
			p = startProgram(t, "--dev", "--listen", "127.0.0.1:0", "--internal", "127.0.0.1:0", "--api-key", apiKey)
			servers[b.File] = p
		}
		got := curl(t, b, p.inner.addr.String())
		if i+1 < len(blocks) && blocks[i+1].Lang == "json" {
			if want := strings.TrimSpace(blocks[i+1].Text); !matches(want, got) {
				t.Errorf("%s: got %s, want %s", b.Place, got, want)
			}
		}
		ran++
	}
	if ran < 3 {
		t.Errorf("only %d requests", ran)
	}
}

const apiKey = "0123456789abcdef"

// curl sends the request that the program curl would send for -H, -d and an address.
func curl(t *testing.T, b manual.Block, addr string) string {
	t.Helper()
	words := shellWords(strings.NewReplacer("$KEY", apiKey, "127.0.0.1:9500", addr).Replace(b.Text))
	var url, body string
	header := http.Header{}
	for i := 1; i < len(words); i++ {
		switch words[i] {
		case "-H":
			i++
			name, value, _ := strings.Cut(words[i], ": ")
			header.Set(name, value)
		case "-d":
			i++
			body = words[i]
		default:
			url = words[i]
		}
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatalf("%s: %v", b.Place, err)
	}
	r.Header = header
	r.Close = true
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatalf("%s: %v", b.Place, err)
	}
	defer answer.Body.Close()
	got, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Errorf("%s: status %d, %v", b.Place, answer.StatusCode, err)
	}
	return strings.TrimSpace(string(got))
}

// matches compares a text with a pattern in which … stands for any text.
func matches(pattern, text string) bool {
	quoted := strings.ReplaceAll(regexp.QuoteMeta(pattern), "…", `.*`)
	return regexp.MustCompile("^" + quoted + "$").MatchString(text)
}

// TestExampleExchanges sends the lines → of a block to a server of its own, and compares each
// line ← with the next line from the server. Blocks of the plain dialect have texts, the others
// JSON.
func TestExampleExchanges(t *testing.T) {
	blocks := manual.Blocks(t, root, "exchange")
	for _, b := range blocks {
		p := startProgram(t, "--dev", "--listen", "127.0.0.1:0", "--history-messages", "10")
		isJSON := strings.HasPrefix(b.Text, "→ {")
		path := map[bool]string{true: "/connection/websocket", false: "/room"}[isJSON]
		c := connect(t, p.plain[0].String(), path)
		var lines []string
		for line := range strings.Lines(b.Text) {
			line = strings.TrimSpace(line)
			if text, ok := strings.CutPrefix(line, "→ "); ok {
				if isJSON && !json.Valid([]byte(text)) {
					t.Errorf("%s: this is not JSON: %s", b.Place, text)
				}
				c.say(text)
				continue
			}
			for len(lines) == 0 {
				lines = slices.DeleteFunc(strings.Split(strings.TrimSpace(c.text()), "\n"), func(s string) bool { return s == "{}" })
			}
			if want := strings.TrimPrefix(line, "← "); !matches(want, lines[0]) {
				t.Errorf("%s: got\n%s, want\n%s", b.Place, lines[0], want)
			}
			lines = lines[1:]
		}
	}
	if len(blocks) < 2 {
		t.Errorf("only %d exchanges", len(blocks))
	}
}
