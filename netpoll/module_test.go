package netpoll_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The two lines of the manual let another module use this package.
func TestOtherModule(t *testing.T) {
	manual, err := os.ReadFile("../web/docs/netpoll.md")
	if err != nil {
		t.Fatal(err)
	}
	lines := regexp.MustCompile(`(?m)^require (\S+) v0\.0\.0\nreplace \S+ => \.\./webim$`).FindSubmatch(manual)
	if lines == nil {
		t.Fatal("netpoll.md has no such lines")
	}
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("go", "list", "-m").Output() // make rename gives a copy another one
	if err != nil {
		t.Fatal(err)
	}
	module := strings.TrimSpace(string(out))
	mod := strings.NewReplacer("require "+string(lines[1]), "require "+module, "replace "+string(lines[1]), "replace "+module, "../webim", root).Replace(string(lines[0]))
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":  "module other\n\ngo 1.26\n\n" + mod + "\n",
		"main.go": "package main\n\nimport _ \"" + module + "/netpoll\"\n\nfunc main() {}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("go", "list", "-mod=mod", "-f", "{{.ImportPath}} {{.Error}}", "./...", module+"/netpoll")
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "GOWORK=off", "GOFLAGS=")
	out, err = cmd.CombinedOutput()
	if want := "other <nil>\n" + module + "/netpoll <nil>\n"; err != nil || !strings.Contains(string(out), want) {
		t.Errorf("%v\n%s", err, out)
	}
}
