package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"webim/cmd/internal/manual"
	"webim/netpoll/wstest"
)

// blockWith returns the one block in a language that has a text.
func blockWith(t *testing.T, lang, text string) manual.Block {
	t.Helper()
	var found []manual.Block
	for _, b := range manual.Blocks(t, root, lang) {
		if strings.Contains(b.Text, text) {
			found = append(found, b)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d blocks of %s have %q, want 1", len(found), lang, text)
	}
	return found[0]
}

// buildExample builds a Go program of the manual inside this module, and returns its path.
// replace has texts in it and their replacements, as for strings.NewReplacer.
func buildExample(t *testing.T, b manual.Block, replace ...string) (program string) {
	t.Helper()
	dir := t.TempDir()
	source, overlay := filepath.Join(dir, "main.go"), filepath.Join(dir, "overlay.json")
	module, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	// A file that exists only for this build: the program has the module's versions of libraries.
	place := filepath.Join(module, "cmd", "example", "main.go")
	replaced, _ := json.Marshal(map[string]map[string]string{"Replace": {place: source}})
	path, err := exec.Command("go", "list", "-m").Output() // make rename gives a copy another one
	if err != nil {
		t.Fatal(err)
	}
	replace = append(replace, `"webim/`, `"`+strings.TrimSpace(string(path))+"/")
	if err := os.WriteFile(source, []byte(strings.NewReplacer(replace...).Replace(b.Text)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(overlay, replaced, 0o600); err != nil {
		t.Fatal(err)
	}
	program = filepath.Join(dir, "example")
	build := exec.Command("go", "build", "-overlay", overlay, "-o", program, "./cmd/example")
	build.Dir, build.Env = module, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", b.Place, err, out)
	}
	return program
}

// node returns a command that runs a script of the manual.
func node(t *testing.T, script string) *exec.Cmd {
	t.Helper()
	program, err := exec.LookPath("node")
	if err != nil {
		t.Fatal("the examples of the manual need Node: run `make test` as root, which installs it, or `apt-get install nodejs` yourself")
	}
	return exec.Command(program, write(t, "example.mjs", script))
}

// begin starts a program and waits until it prints a line, if ready is not empty. The test's end
// kills it.
func begin(t *testing.T, cmd *exec.Cmd, ready string) *bytes.Buffer {
	t.Helper()
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	if line, err := bufio.NewReader(out).ReadString('\n'); strings.TrimSpace(line) != ready {
		_ = cmd.Wait()
		t.Fatalf("it printed %q (%v), and not %q:\n%s", line, err, ready, errs.String())
	}
	return &errs
}

// TestExampleProgramsInGo: every Go block is a whole program, and one of those that the tests
// here run.
func TestExampleProgramsInGo(t *testing.T) {
	run := map[string]bool{}
	for _, mark := range []string{"centrifuge.NewJsonClient", "X-Webim-Signature", "ListenAndServe(\":9501\")"} {
		for _, b := range manual.Blocks(t, root, "go") {
			if strings.Contains(b.Text, mark) {
				run[b.Text] = true
			}
		}
	}
	for _, b := range manual.Blocks(t, root, "go") {
		if !run[b.Text] {
			t.Errorf("%s: no test runs this program", b.Place)
		}
	}
}

func TestExampleOfTheSDKInGo(t *testing.T) {
	p := startProgram(t, "--dev", "--listen", "127.0.0.1:0")
	program := buildExample(t, blockWith(t, "go", "centrifuge.NewJsonClient"), "127.0.0.1:9501", p.plain[0].String())
	out, err := exec.Command(program).CombinedOutput()
	if err != nil || string(out) != "{\"text\":\"hello\"}\n" {
		t.Errorf("%v, %s", err, out)
	}
}

// TestExampleOfNetpoll talks with the server of fifteen lines, in the manual and in the README.
func TestExampleOfNetpoll(t *testing.T) {
	b := blockWith(t, "go", "package main\n\nimport (\n\t\"fmt\"\n\t\"log\"\n\n\t\"github.com/gobwas/ws\"")
	port := fmt.Sprint(wstest.FreeAddr(t).Port())
	program := buildExample(t, b, `":9501"`, `"127.0.0.1:`+port+`"`)
	cmd := exec.Command(program)
	var out bytes.Buffer
	cmd.Stdout = &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	wstest.Eventually(t, "the server listens", func() bool {
		conn, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	client := connect(t, "127.0.0.1:"+port, "/")
	client.echo("hello")
	client.Conn.Close()
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if !strings.Contains(out.String(), " is connected\n") {
		t.Errorf("it printed %q", out.String())
	}
	for _, b := range manual.Blocks(t, root, "go") {
		if b.File != "README.md" {
			continue
		}
		for line := range strings.Lines(b.Text) {
			if !strings.Contains(blockWith(t, "go", "package main\n\nimport (\n\t\"fmt\"\n\t\"log\"\n\n\t\"github.com/gobwas/ws\"").Text, strings.TrimSpace(line)) {
				t.Errorf("the README's program has a line that the manual's does not have: %s", line)
			}
		}
	}
}

// TestExampleToken compares the token that the manual's script signs with our own verification.
func TestExampleToken(t *testing.T) {
	cmd := node(t, blockWith(t, "js", "export function sign(").Text)
	cmd.Env = append(os.Environ(), "SECRET="+longSecret)
	token, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, token)
	}
	code, out, errs := webim("", []string{"WEBIM_TOKEN_SECRET=" + longSecret}, "token", "inspect", strings.TrimSpace(string(token)))
	if code != 0 || !strings.Contains(out, "anna") {
		t.Errorf("%d, %s%s", code, out, errs)
	}
}

// TestExampleHooks runs the two backends of the manual behind the hook connect: they admit a
// client with a cookie, refuse one without, and refuse requests with another secret.
func TestExampleHooks(t *testing.T) {
	backends := map[string]func(env ...string){
		"Node": func(env ...string) {
			cmd := node(t, blockWith(t, "js", "x-webim-signature").Text)
			cmd.Env = append(os.Environ(), env...)
			begin(t, cmd, "ready")
		},
		"Go": func(env ...string) {
			cmd := exec.Command(buildExample(t, blockWith(t, "go", "X-Webim-Signature")))
			cmd.Env = append(os.Environ(), env...)
			begin(t, cmd, "ready")
		},
	}
	for name, start := range backends {
		port := fmt.Sprint(wstest.FreeAddr(t).Port())
		start("SECRET="+longSecret, "PORT="+port)
		for _, c := range []struct{ secret, cookie, want string }{
			{longSecret, "user=anna", `"connect":`},
			{longSecret, "", `{"id":1,"error":{"code":401,"message":"sign in first"}}`},
			{longSecret + "!", "user=anna", `{"id":1,"error":{"code":100,`},
		} {
			t.Run(name, func(t *testing.T) {
				p := startProgram(t, "--dev", "--listen", "127.0.0.1:0", "--hook-connect", "http://127.0.0.1:"+port+"/",
					"--hook-headers", "Cookie", "--hook-secret", c.secret)
				var headers []string
				if c.cookie != "" {
					headers = append(headers, "Cookie: "+c.cookie)
				}
				client := connect(t, p.plain[0].String(), "/connection/websocket", headers...)
				client.say(`{"id":1,"connect":{}}`)
				if got := client.text(); !strings.Contains(got, c.want) {
					t.Errorf("cookie %q: %s, want %s", c.cookie, got, c.want)
				}
			})
		}
	}
}

// TestExampleHookRequest compares the request in the manual with a real one.
func TestExampleHookRequest(t *testing.T) {
	asked := make(chan string, 1)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	backend := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body bytes.Buffer
		_, _ = body.ReadFrom(r.Body)
		asked <- body.String()
		fmt.Fprint(w, `{"result":{}}`)
	})}
	go func() { _ = backend.Serve(l) }()
	p := startProgram(t, "--dev", "--listen", "127.0.0.1:0", "--token-secret", longSecret, "--hook-subscribe", "http://"+l.Addr().String()+"/")
	t.Cleanup(func() { backend.Close() })
	anna := connectAs(t, p.plain[0].String(), "anna")
	anna.ask(`"subscribe":{"channel":"team-a"}`, `"subscribe":`)
	if got, want := <-asked, strings.TrimSpace(blockWith(t, "json", `"transport":"websocket"`).Text); !matches(want, got) {
		t.Errorf("got %s, want %s", got, want)
	}
}
